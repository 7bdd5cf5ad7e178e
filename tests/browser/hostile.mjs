// Opens documents that try to run or to load something, under the portal's own policy of content,
// and fails when one does, or when the browser has anything to report of that policy.
import { browser, pictures, portal } from "./look.mjs";

const context = await browser.newContext();
const page = await context.newPage();
const reports = [];
let watching = false;
const report = (words) => watching && reports.push(words);
page.on("dialog", (dialog) => {
  report(`dialog: ${dialog.message()}`);
  return dialog.dismiss();
});
page.on("console", (message) => {
  if (/Content Security Policy|Refused to|violation/i.test(message.text())) report(message.text());
});
page.on("pageerror", (error) => report(`error: ${error.message}`));
context.on("page", (other) => report(`a window opened: ${other.url()}`));
context.on("request", (request) => {
  const url = new URL(request.url());
  if (url.protocol.startsWith("http") && url.origin !== new URL(portal).origin) {
    report(`asked: ${url.origin}`);
  }
});
await page.addInitScript(() => {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`violation of ${event.effectiveDirective} by ${event.blockedURI}`);
  });
});

await page.goto(portal);
await page.locator("main button, main a.nhsuk-button").first().click();
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await page.goto(`${portal}/search`);
await page.locator("#search").fill("999 000 1146");
await page.locator("main form button").first().click();
await page.waitForLoadState();
await page.goto(`${page.url()}?show=list`);
const links = await page.locator('main a[href*="/document/"]').evaluateAll((all) =>
  all.filter((a) => a.textContent.startsWith("Hostile")).map((a) => [a.textContent, a.href]));
if (links.length !== 14) throw new Error(`${links.length} hostile documents are listed, not 14`);

watching = true;
for (const [title, href] of links) {
  for (const path of ["", "/download"]) {
    await page.goto(href + path);
    await page.waitForTimeout(400);
    await attempt();
    const strange = await page.evaluate(() => {
      const bad = "iframe:not(.cr-frame), object, embed, base, style, video, audio, svg script, math";
      const inside = document.querySelectorAll(`main script, main link, main form:not([method=post])`);
      const handlers = [...document.querySelectorAll("*")].filter((e) =>
        [...e.attributes].some((a) => a.name.startsWith("on") || a.name === "style"));
      const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
      const twice = ids.filter((id, n) => ids.indexOf(id) !== n);
      return [document.querySelectorAll(bad).length, inside.length, handlers.length, twice.join()];
    });
    if (strange.join("|") !== "0|0|0|") throw new Error(`${title}${path}: ${strange.join("|")}`);
  }
  await page.goto(href);
  await page.screenshot({ path: `${pictures}/${title.toLowerCase().replaceAll(" ", "-")}.png` });
  const text = await page.locator("main").innerText();
  const shown = /Hostile (CDA|FHIR|page|page in XHTML|words|rich text)$/.test(title);
  if (shown && !text.includes("kept")) throw new Error(`${title}: its text is not shown`);
  if (!shown && !/cannot be shown|no text view|registered as|pixels large|holds scripts|Second/.test(text)) {
    throw new Error(`${title}: nothing is said of it`);
  }
  await copies(href, shown);
  console.log(`${title}: seen`);
}
if (reports.length) throw new Error(reports.join("\n"));
await browser.close();

/// What a reader may do: move over the text, open what can be opened, go through it by keyboard.
async function attempt() {
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  const box = await page.locator("main").boundingBox();
  for (const y of [0.2, 0.5, 0.8]) {
    await page.mouse.move(box.x + box.width / 2, box.y + Math.min(box.height, 700) * y);
  }
  for (let n = 0; n < 25; n += 1) await page.keyboard.press("Tab");
}

/// The copy to print, and the one that leaves, opened from a file.
async function copies(href, shown) {
  await page.goto(`${href}/download`);
  if (!(await page.getByRole("button", { name: "Show a copy to print" }).count())) return;
  if (!shown) return;
  await page.getByLabel("Care of this patient").check();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download a marked copy" }).click(),
  ]);
  const path = `${pictures}/copy.html`;
  await file.saveAs(path);
  await page.getByRole("button", { name: "Show a copy to print" }).click();
  await page.waitForTimeout(300);
  await page.goto(`file://${path}`);
  await page.waitForTimeout(300);
  const text = await page.locator("body").innerText();
  if (!text.includes("Copy made")) throw new Error(`${href}: the copy has no mark`);
}
