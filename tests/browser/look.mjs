// A real browser at the portal, with axe looking at each page. Arguments of every script: the
// portal's address, the browser, the folder for pictures.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const [portal, browserPath, pictures] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
export const browser = await chromium.launch({ executablePath: browserPath, args: quiet });
const context = await browser.newContext({ bypassCSP: true });
export const page = await context.newPage();
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export async function look(name, words) {
  await page.waitForLoadState();
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  const text = await page.locator("body").innerText();
  if (!text.includes(words)) throw new Error(`${name}: "${words}" is not on the page`);
  const found = await new AxeBuilder({ page }).withTags(tags).analyze();
  const faults = found.violations.map((v) => v.id).join(", ");
  if (faults) throw new Error(`${name}: axe finds ${faults}`);
  const told = (await page.title()) + page.url();
  if (/999\s?000|OKAFOR|NAYLOR|1945/i.test(told)) throw new Error(`${name}: title or address tells of a patient`);
  console.log(`${name}: seen`);
}

export function must(is, what) {
  if (!is) throw new Error(what);
}

// By keys alone, to the first element that is the one.
export async function tabTo(is, what) {
  for (let n = 0; n < 80; n += 1) {
    await page.keyboard.press("Tab");
    const at = page.locator(":focus");
    const [tag, text, id, kind] = await at.evaluate((e) => [e.tagName, e.innerText ?? "", e.id, e.className]);
    const box = await at.boundingBox();
    must(box === null || box.height > 0, `what has the focus cannot be seen: ${tag} ${id}`);
    if (is(tag, text.trim(), id, kind)) return;
  }
  throw new Error(`no key leads to ${what}`);
}

// By the one box of the first page.
export async function find(typed) {
  await page.goto(`${portal}/search`);
  await page.locator("#search").fill(typed);
  await page.getByRole("button", { name: "Search", exact: true }).click();
}

export async function findByName(family, day, month, year) {
  await page.goto(`${portal}/search`);
  await page.locator("summary", { hasText: "More fields" }).click();
  await page.getByLabel("Family name").fill(family);
  await page.getByLabel("Day").fill(day);
  await page.getByLabel("Month").fill(month);
  await page.getByLabel("Year").fill(year);
  await page.getByRole("button", { name: "Search by name" }).click();
}

export async function signIn(name = "Imogen Farrow") {
  await page.goto(portal);
  await look("start", "Care Record");
  await page.locator("main button, main a.nhsuk-button").first().click();
  await look("sign-in", "Choose who to sign in as");
  await page.getByRole("button", { name }).click();
  await look("search", "Find a patient");
}
