// Who looked: a doctor looks, a clerk is refused, a privacy officer finds both and follows a request;
// the service desk follows it too, without the patient.
import { browser, find, look, narrow, page, portal, signIn, signOut } from "./look.mjs";

await signIn();
await find("999 000 1146");
await page.locator('main a[href*="/document/"]').first().click();
await look("looked-document", "Letter 1");
await signOut();
await signIn("Desmond Oakley");
await find("999 000 1146");
await signOut();

await signIn("Anwen Tregarth");
await page.getByRole("link", { name: "Who looked" }).click();
await look("looked", "is kept in a log that nobody can change unseen");
await page.getByRole("button", { name: "Search" }).click();
await look("looked-mistake", "Enter at least one thing to look for");
await page.getByLabel("NHS number").fill("999 000 1146");
await page.getByRole("button", { name: "Search" }).click();
await look("looked-found", "An agreement between the organisations allows it");
const text = await page.locator("main").innerText();
for (const words of ["Farrow Imogen", "Dr Legg's Surgery", "Opened a document", "Oakley Desmond",
  "Not shown: their role does not allow it", "The record that registry keeps"]) {
  if (!text.includes(words)) throw new Error(`"${words}" is not on the page`);
}
const row = page.locator("main tbody tr").filter({ hasText: "Opened a document" }).first();
await row.getByRole("link", { name: "Follow this request" }).click();
await look("looked-request", "One request, through every part of the service");
const request = page.url().split("/").pop();
await narrow("looked-request", "Recorded by");
await signOut();

await signIn("Callum Brisbane");
await page.getByRole("link", { name: "Who looked" }).click();
await look("looked-desk", "You see nothing of the patient");
await page.getByLabel("Request").fill(request);
await page.getByRole("button", { name: "Search" }).click();
await look("looked-desk-found", "Farrow Imogen");
const told = await page.locator("main").innerText();
if (/999\s?000/.test(told)) throw new Error("the service desk sees the patient");
await page.goto(`${portal}/looked/request/${request}`);
await look("looked-desk-request", "What was searched");
await browser.close();
