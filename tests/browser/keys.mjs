// Tasks by keys alone (Tab, Enter, Space, arrows and letters), and no address typed after the first:
// people found by what is known of them, a record opened with a reason, a filter set and taken away, a
// copy for a purpose, an objection recorded and lifted, two versions compared, a role changed, a
// privacy alert reviewed, and signing out after each.
import { browser, choose, enter, follow, look, must, page, portal, tabTo } from "./look.mjs";

const BOX = "Search by NHS number, name, date of birth or postcode";

async function signIn(name, words) {
  await follow(/signed-out/.test(page.url()) ? "Sign in again" : "Sign in", "Choose who to sign in as");
  await follow(`Sign in as ${name}`, words);
}

async function signOut() {
  await follow("Sign out", "You have signed out");
}

async function find(number, words) {
  await follow("Find a patient", BOX);
  await enter(BOX, number);
  await page.keyboard.press("Enter");
  await page.locator("main", { hasText: words }).waitFor();
}

async function open() {
  await tabTo((tag, text, id, kind) => kind === "cr-title", "a document");
  await page.keyboard.press("Enter");
  await page.locator("main", { hasText: "What it says" }).waitFor();
}

function done(task) {
  console.log(`by keys: ${task}`);
}

await page.goto(portal);
await signIn("Dr Imogen Farrow", BOX);

await follow("More fields");
await enter("Family name", "Nay");
await enter("Day", "9");
await enter("Month", "5");
await enter("Year", "1961");
await page.keyboard.press("Enter");
await page.locator("main", { hasText: "1 person found" }).waitFor();
await follow("Open the record", "The patient has objected");
done("people by what is known of them");

await follow("open the record with a reason", "Why do you need to see it?");
await follow("Open and record my reason", "There is a problem");
await follow("Choose why you open the record", "");
must((await page.locator(":focus").getAttribute("id")) === "reason-1", "the mistake leads to the reasons");
await page.keyboard.press("Shift+Tab");
await choose("Public interest");
await enter("Your explanation", "A risk to the children in the house.");
await follow("Open and record my reason", "You have opened what is closed");
await open();
done("a record opened with a reason");

await find("999 000 1006", "How complete this is");
await follow("List", "Filter the documents");
const all = await page.locator("#documents").innerText();
await follow("Filter the documents");
await enter("Words in the title", "zebra");
await follow("Filter", "No document matches the filter");
await follow("Show all", all);
must((await page.locator("#filter-text").inputValue()) === "", "the filter is gone");
done("a filter set and taken away");

await open();
await follow("Print or download", "What is the copy for?");
await choose("Care of this patient");
const file = page.waitForEvent("download");
await follow("Download a marked copy");
must((await (await file).failure()) === null, "the copy comes");
done("a copy for a purpose");

await follow("Back to the document", "What it says");
await follow("Back to the list of documents", "How complete this is");
await follow("What the patient says about sharing", "Recorded so far");
await choose("Objects to sharing documents of one class");
await enter("Class of documents that is not shared", "Care plan");
await choose("The patient");
await follow("Record", "documents of the class Care plan");
await look("keys-objection", "documents of the class Care plan");
await follow("Lift", "Lifted");
done("an objection recorded and lifted");

await find("999 000 1081", "How complete this is");
await follow("1 earlier version");
await tabTo((tag) => tag === "A", "the earlier version");
await page.keyboard.press("Enter");
await page.locator("main", { hasText: "This version has been replaced" }).waitFor();
await follow("compare the two", "changed");
done("two versions compared");
await signOut();
await look("keys-signed-out", "You have signed out");

await signIn("Dr Priya Sandhurst", "Which role do you act in?");
await look("role", "Which role do you act in?");
await follow("Continue", "There is a problem");
await look("role-mistake", "Choose the role you act in");
await choose("Salaried General Practitioner");
await follow("Continue", BOX);
await follow("Change role", "Which role do you act in?");
await choose("Clinical Practitioner Access Role");
await follow("Continue", BOX);
const role = await page.locator(".cr-role").innerText();
must(role.startsWith("Clinical Practitioner"), `the role is ${role}`);
done("a role changed");
await signOut();

await signIn("Leila Haddon", BOX);
await follow("Privacy alerts", "To review (1)");
await tabTo((tag, text) => tag === "A" && /^\d\d-\w{3}-\d{4}/.test(text), "the alert");
await page.keyboard.press("Enter");
await page.locator("main", { hasText: "A risk to the children" }).waitFor();
await choose("Closed: appropriate");
await enter("What you found", "Social services confirm the visit.");
await follow("Save", "Social services confirm");
done("a privacy alert reviewed");
await signOut();
await browser.close();
