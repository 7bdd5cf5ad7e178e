// Walks sign-in, search, list, document, refusal and sign-out in a real browser, and lets axe look
// at each page. Arguments: the portal's address, the browser, the folder for pictures.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const [portal, browserPath, pictures] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: browserPath, args: quiet });
const context = await browser.newContext({ bypassCSP: true });
const page = await context.newPage();
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

async function look(name, words) {
  await page.waitForLoadState();
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  const text = await page.locator("body").innerText();
  if (!text.includes(words)) throw new Error(`${name}: "${words}" is not on the page`);
  const found = await new AxeBuilder({ page }).withTags(tags).analyze();
  const faults = found.violations.map((v) => v.id).join(", ");
  if (faults) throw new Error(`${name}: axe finds ${faults}`);
  const told = (await page.title()) + page.url();
  if (/999\s?000|OKAFOR|NAYLOR/i.test(told)) throw new Error(`${name}: title or address tells of a patient`);
  console.log(`${name}: seen`);
}

async function find(number) {
  await page.goto(`${portal}/search`);
  await page.locator('input[inputmode="numeric"]').fill(number);
  await page.locator("main form button").first().click();
}

await page.goto(portal);
await look("start", "Care Record");
await page.locator("main button, main a.nhsuk-button").first().click();
await look("sign-in", "Choose who to sign in as");
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await look("search", "Find a patient");
await find("999 000 1007");
await look("wrong-number", "NHS");
await find("999 000 1006");
await look("list", "How complete this is");
await page.locator('main a[href*="/document/"]').first().click();
await look("document", "Blood pressure");
await find("999 000 1049");
await look("refusal", "The patient has objected");
await page.getByText("Sign out").first().click();
await page.waitForURL(/signed-out/);
await look("signed-out", "signed out");
await page.goto(`${portal}/search`);
const box = await page.locator('input[inputmode="numeric"]').count();
if (box !== 0) throw new Error("the session goes on after signing out");
await browser.close();
