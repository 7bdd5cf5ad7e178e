// The list and a document while one source is stopped and another takes connections and is silent.
import { browser, find, look, page, signIn } from "./look.mjs";

await signIn();
await find("999 000 1146");
await look("list-silent", "2 sources did not answer: documents may be missing");
const text = await page.locator(".cr-sources").innerText();
for (const words of ["Answered", "Could not be asked", "Did not answer in time"]) {
  if (!text.includes(words)) throw new Error(`"${words}" is not said of any source`);
}
const links = await page.locator('main a[href*="/document/"]').count();
if (links !== 3) throw new Error(`${links} documents are listed, not 3`);
const list = page.url();
for (const [title, words] of [
  ["Letter 0", "pulse 60/min"],
  ["Letter 1", "could not be had from Example Community Trust"],
  ["Letter 2", "could not be had from Example Council"],
]) {
  await page.goto(list);
  await page.getByRole("link", { name: title }).click();
  await look(title.toLowerCase().replace(" ", "-"), words);
}
await browser.close();
