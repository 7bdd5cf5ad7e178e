// A real browser at the portal, with axe looking at each page, and ways through it by keys alone.
// Arguments of every script: the portal's address, the browser, the folder for pictures; some take more.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const [portal, browserPath, pictures, ...more] = process.argv.slice(2);
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
  const axe = new AxeBuilder({ page }).withTags(tags);
  // What is found in one frame alone need not be put together in a second window, which takes as long
  // as looking.
  if (page.frames().length === 1) axe.setLegacyMode();
  const found = await axe.analyze();
  const faults = found.violations.map((v) => v.id).join(", ");
  if (faults) throw new Error(`${name}: axe finds ${faults}`);
  const told = (await page.title()) + page.url();
  if (/999\s?000|OKAFOR|NAYLOR|1945/i.test(told)) throw new Error(`${name}: title or address tells of a patient`);
  console.log(`${name}: seen`);
}

export function must(is, what) {
  if (!is) throw new Error(what);
}

// Nothing scrolls sideways.
export async function fits(name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  must(over <= 0, `${name} scrolls sideways by ${over}`);
}

// Looks at a window of 320 by 256 CSS pixels, which is what 1280 by 1024 become at 400 %.
export async function narrow(name, words) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 256 });
  await look(`${name}-narrow`, words);
  await fits(name);
  // The cells of a table are lines then: a label and one thing, or what is in them comes apart.
  const apart = await page.locator(".nhsuk-table--responsive td").evaluateAll((cells) =>
    cells.filter((cell) => [...cell.childNodes].filter((e) => e.textContent.trim()).length > 2).length);
  must(apart === 0, `${name}: ${apart} cells come apart`);
  await page.setViewportSize(before);
}

export async function both(name, words) {
  await look(name, words);
  await narrow(name, words);
}

// By keys alone, to the first element that is the one; the text of a field is its label's.
export async function tabTo(is, what) {
  for (let n = 0; n < 120; n += 1) {
    await page.keyboard.press("Tab");
    const at = page.locator(":focus");
    // Between the last of a page and the first there is the browser's own window.
    if ((await at.count()) === 0) continue;
    const [tag, text, id, kind] = await at.evaluate((e) =>
      [e.tagName, (e.labels?.[0] ?? e).innerText ?? "", e.id, e.className]);
    const box = await at.boundingBox();
    must(box === null || box.height > 0, `what has the focus cannot be seen: ${tag} ${id}`);
    if (is(tag, text.trim().replace(/\s+/g, " "), id, kind)) return;
  }
  throw new Error(`no key leads to ${what}`);
}

// By keys alone, through a link, a button or what opens; until the page has these words.
export async function follow(text, words) {
  const follows = ["A", "BUTTON", "SUMMARY"];
  await tabTo((tag, own) => follows.includes(tag) && own.startsWith(text), text);
  await page.keyboard.press("Enter");
  if (words) await page.locator("body", { hasText: words }).waitFor();
}

// By keys alone, into a field.
export async function enter(label, text) {
  await tabTo((tag, own) => ["INPUT", "TEXTAREA", "SELECT"].includes(tag) && own === label, label);
  await page.keyboard.type(text);
}

// By keys alone, one of the next radio buttons: the Tab key comes to the group, arrows move in it.
export async function choose(label) {
  await tabTo((tag, own, id, kind) => kind === "nhsuk-radios__input", label);
  await page.keyboard.press("Space");
  for (let n = 0; n < 20; n += 1) {
    const own = await page.locator(":focus").evaluate((e) => e.labels[0].innerText);
    if (own.trim().startsWith(label)) return;
    await page.keyboard.press("ArrowDown");
  }
  throw new Error(`no arrow leads to ${label}`);
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

export async function signOut() {
  await page.getByText("Sign out").first().click();
  await page.waitForURL(/signed-out/);
}
