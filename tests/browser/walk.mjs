// Walks sign-in, search, list, documents of each kind, refusal, an override with its review, and
// sign-out; the search by name, the override and its review at a narrow window, too.
import { both, browser, find, findByName, look, must, page, portal, signIn, signOut } from "./look.mjs";

await signIn();
await page.getByRole("link", { name: "Patients of" }).click();
await look("team", "My team's patients");
await page.getByRole("button", { name: "Open the record of OKAFOR, Ada" }).click();
await look("team-person", "How complete this is");
await find("999 000 1007");
await look("wrong-number", "NHS");
await findByName("Oka", "", "", "");
await both("wrong-name", "Enter a date of birth or a postcode");
await findByName("Oka", "14", "7", "1945");
await both("people", "1 person found");
await find("Oka");
await look("box-too-little", "Enter a date of birth or a postcode");
await find("Okafor, Ada, 14 July 1945");
await look("box-people", "1 person found");
await page.getByRole("button", { name: "Open the record of OKAFOR, Ada" }).click();
await look("person", "How complete this is");
await find("999 000 1006");
await look("overview", "How complete this is");
await page.goto(`${page.url()}?show=list`);
await look("list", "How complete this is");
await page.locator('main a[href*="/document/"]').first().click();
await look("document", "Blood pressure");

await find("999 000 1146");
const list = page.url();
await page.getByRole("link", { name: "Note in plain text" }).click();
await look("document-text", "Letter 2: pulse 62/min.");
await page.goto(list);
await page.getByRole("link", { name: "Clinic letter in PDF" }).click();
await look("document-pdf", "open the PDF by itself");
const content = await page.locator("iframe.cr-frame").getAttribute("src");
const pdf = await page.evaluate(async (path) => {
  const answer = await fetch(path);
  return [answer.status, answer.headers.get("content-type"), (await answer.text()).slice(0, 5)];
}, content);
if (pdf.join(" ") !== "200 application/pdf %PDF-") throw new Error(`the PDF came as ${pdf}`);

// Somebody who has died: told first, as easy to go back from as to go on.
await find("999 000 1073");
await look("died", "This person has died");
const dead = page.url();
must(dead.endsWith("/died"), `the record opens at ${dead}`);
await page.getByRole("button", { name: "Back without opening it" }).click();
await look("died-back", "Find a patient");
await page.goto(dead.replace(/died$/, "summary"));
must(page.url() === dead, `the summary opens at ${page.url()}`);
await page.getByRole("button", { name: "Go on to the record" }).click();
await look("died-record", "How complete this is");
await find("999 000 1073");
await look("died-again", "How complete this is");

await find("999 000 1049");
await both("refusal", "The patient has objected");
const closed = page.url();
await page.getByRole("link", { name: "open the record with a reason" }).click();
await look("restricted", "You are about to open restricted information");
await page.getByRole("button", { name: "Open and record my reason" }).click();
await both("restricted-mistake", "Choose why you open the record");
await page.getByLabel("Public interest").check();
await page.getByLabel("Your explanation").fill("A risk to the children in the house.");
await page.getByRole("button", { name: "Open and record my reason" }).click();
await page.waitForURL(closed);
await both("opened", "You have opened what is closed");
const alert = page.locator(".cr-banner", { hasText: "Opened by emergency access, ends" });
must((await alert.count()) === 1, "the banner has the alert");
await page.goto(`${closed}?show=list`);
await page.locator('main a[href*="/document/"]').first().click();
await look("opened-document", "Where it comes from");
await signOut();
await look("signed-out", "signed out");
await page.goto(`${portal}/search`);
const box = await page.locator("#search").count();
if (box !== 0) throw new Error("the session goes on after signing out");

await signIn("Leila Haddon");
await page.getByRole("link", { name: "Privacy alerts" }).click();
await both("alerts", "To review (1)");
await page.locator('main a[href^="/alerts/"]').first().click();
await look("alert", "A risk to the children");
await page.getByRole("button", { name: "Save" }).click();
await both("alert-mistake", "Choose where the review stands");
await page.getByLabel("Closed: appropriate").check();
await page.getByLabel("What you found").fill("Social services confirm the visit.");
await page.getByRole("button", { name: "Save" }).click();
await look("alert-closed", "Social services confirm");
await page.goto(`${portal}/alerts?show=overdue`);
await look("alerts-none", "There are none.");
await browser.close();
