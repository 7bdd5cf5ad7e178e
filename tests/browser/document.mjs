// Reads documents of every kind and state: outline, codes, pictures, where they come from, versions
// compared, copies; then by keyboard, on a narrow screen, enlarged, and on paper.
import { browser, find, fits, look, narrow, page, pictures, signIn } from "./look.mjs";

await signIn();
await find("999 000 1146");
const list = page.url();
const open = async (title) => {
  await page.goto(list);
  await page.getByRole("link", { name: title, exact: true }).click();
};
const opened = () =>
  page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));

await open("Illustrated summary");
await look("document-outline", "Information and advice given");
await opened();
await look("document-outline-opened", "49436004 (SNOMED CT)");
await page.locator(".cr-outline a", { hasText: "Plan" }).click();
const place = await page.locator("#section-4").evaluate((h) => h.getBoundingClientRect().top);
if (place < 0 || place > 400) throw new Error(`the outline leads to ${place}`);
const picture = await page.locator("#file-1 img").evaluate((img) => img.naturalWidth);
if (picture !== 320) throw new Error(`the picture in the text is ${picture} wide`);
const outline = await page.locator(".cr-outline").evaluate((o) => o.getBoundingClientRect().top);
if (outline < 0 || outline > 300) throw new Error(`the outline is at ${outline}, out of sight`);
await page.screenshot({ path: `${pictures}/document-sticky.png` });

for (const [width, name] of [[400, "narrow"], [320, "enlarged"]]) {
  await page.setViewportSize({ width, height: name === "enlarged" ? 256 : 800 });
  await page.reload();
  await opened();
  await look(`document-${name}`, "Atrial fibrillation");
  await fits(name);
}
await page.setViewportSize({ width: 1280, height: 720 });

for (const [title, words] of [
  ["Letter as a page", "palpitations"],
  ["Letter as rich text", "BP 120/80"],
  ["Letter that is broken", "You can download the original."],
  ["Letter that is damaged", "The document is damaged"],
  ["Scan that is no picture", "registered as Picture (PNG), but is"],
  ["Scan", "Print or download"],
]) {
  await open(title);
  await look(`document-${title.toLowerCase().replaceAll(" ", "-")}`, words);
}
const scan = await page.locator("img.cr-image").evaluate((img) => img.naturalWidth);
if (scan !== 320) throw new Error(`the scan is ${scan} wide`);

// A picture under the marks of its copy, on a page and in a file that leaves.
await page.getByRole("link", { name: /^Print or download/ }).click();
await page.getByLabel("Care of this patient").check();
const [leaving] = await Promise.all([
  page.waitForEvent("download"),
  page.getByRole("button", { name: "Download a marked copy" }).click(),
]);
await leaving.saveAs(`${pictures}/scan-copy.html`);
await page.getByRole("button", { name: "Show a copy to print" }).click();
await look("copy-of-scan", "Purpose: Care of this patient");
await page.pdf({ path: `${pictures}/copy-of-scan.pdf`, format: "A4" });
for (const from of [page.url(), `file://${pictures}/scan-copy.html`]) {
  if (from.startsWith("file:")) await page.goto(from);
  const marked = await page.locator("figure img").evaluate((img) => img.naturalWidth);
  if (marked !== 320) throw new Error(`the scan in ${from} is ${marked} wide`);
  const words = await page.locator("body").innerText();
  if (!/Copy made .+ by .+ Purpose: Care of this patient/.test(words)) {
    throw new Error(`${from} has no mark`);
  }
}

// A reference for another system: selected when it is entered, copied by its button.
await open("Illustrated summary");
await page.getByText("Copy a reference to this document").click();
await look("document-reference", "Reference for your own system");
await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
await page.getByRole("button", { name: "Copy", exact: true }).click();
await page.getByText("Copied", { exact: true }).waitFor();
const copied = await page.evaluate(() => navigator.clipboard.readText());
if (!copied.startsWith("Title: Illustrated summary\nType: ") || copied.includes("9990001146")) {
  throw new Error(`the reference is ${copied}`);
}
await page.getByLabel("Reference for your own system").focus();
const selected = await page.getByLabel("Reference for your own system").evaluate(
  (field) => field.value.slice(field.selectionStart, field.selectionEnd));
if (selected !== copied) throw new Error(`selected is ${selected}`);

// By keyboard: forth and back in the list, and through a copy.
await page.goto(list);
await page.locator('main a[href*="/document/"]').first().click();
await page.locator(".cr-keys").waitFor();
const first = page.url();
await page.keyboard.press("Alt+Shift+KeyN");
await page.waitForURL((url) => url.href !== first);
await page.locator(".cr-keys").waitFor();
await page.keyboard.press("Alt+Shift+KeyP");
await page.waitForURL(first);
await open("Illustrated summary");
const reached = new Set();
for (let n = 0; n < 60; n += 1) {
  await page.keyboard.press("Tab");
  reached.add(await page.evaluate(() => {
    const at = document.activeElement;
    return at.closest("nav, .cr-document, summary, .cr-actions, figure")?.className || at.tagName;
  }));
}
for (const part of ["cr-outline", "cr-document", "cr-actions"]) {
  if (![...reached].some((name) => name.includes(part))) throw new Error(`${part} is not reached`);
}
await page.getByRole("link", { name: /^Print or download/ }).press("Enter");
await look("copy-ask", "What is the copy for?");
await page.getByRole("button", { name: "Show a copy to print" }).press("Enter");
await look("copy-mistake", "Choose what the copy is for");
await page.getByLabel("Care of this patient").press("Space");
await page.getByRole("button", { name: "Show a copy to print" }).press("Enter");
await look("copy", "Purpose: Care of this patient");
await page.emulateMedia({ media: "print" });
await page.screenshot({ path: `${pictures}/copy-on-paper.png` });
await page.pdf({ path: `${pictures}/copy.pdf`, format: "A4" });
await page.emulateMedia({ media: null });

// A version that has been replaced, and both side by side.
await find("999 000 1081");
await page.locator("summary", { hasText: "earlier version" }).first().click();
await page.locator("details[open] a[href*='/document/']").first().click();
await look("document-replaced", "This version has been replaced");
await page.getByRole("link", { name: "compare the two" }).click();
await look("compare", "changed");
await narrow("compare", "changed");
await browser.close();
