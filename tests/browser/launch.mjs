// Launches in context, from a system's own page: the record that opens and how few clicks lead on in
// it; the switch of patients, the wrong patient, the wrong person, what is not taken, and what the
// session is closed to; pages of each kind at a narrow window, too. One argument more: the system's key.
import { launch, signed } from "./epr.mjs";
import { both, browser, look, must, page, portal, signOut } from "./look.mjs";

const ada = { nhs_number: "9990001006", family_name: "Okafor", birth_date: "1945-07-14" };
const mary = { nhs_number: "9990001057", family_name: "Parton", birth_date: "1957-11-30" };

let clicks = 0;
async function click(target, leads) {
  clicks += 1;
  await target.click();
  await page.waitForURL(leads);
}

// What a task takes from here on. NHS: 8.5.
async function within(most, task, act) {
  clicks = 0;
  await act();
  must(clicks <= most, `${task} takes ${clicks} clicks, not ${most}`);
  console.log(`${task}: ${clicks} clicks`);
}

const link = (name) => page.getByRole("link", { name, exact: true });
const documents = page.locator('main a[href*="/document/"]');
const heading = () => page.locator("h1").innerText();

// The person signs in by themselves, once.
await launch(signed(ada));
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await page.waitForURL(/\/patient\//);
await both("launched", "Regional record, read only. Opened from Example EPR.");
must((await page.locator(".cr-banner").innerText()).includes("OKAFOR, Ada"), "the banner says who it is");
for (const gone of ["Find a patient", "Back to search", "Change role"]) {
  must((await page.getByText(gone).count()) === 0, `“${gone}” leads nowhere in a launch`);
}

await launch(signed(ada));
await within(1, "launch to list", async () => {
  must((await documents.count()) > 0, "documents are there at once");
  await click(link("List"), /show=list/);
  must((await page.locator("a.cr-title").count()) > 12, "the list is there");
});
const list = page.url();
await within(1, "list to document", async () => {
  await click(page.locator("a.cr-title").nth(1), /\/document\//);
});
const second = page.url();
await within(1, "document to next", async () => {
  await click(page.locator('.cr-steps a[rel="next"]'), (url) => url.href !== second);
  must(/\/document\//.test(page.url()), "another document is there");
});
await within(1, "document to previous", async () => {
  await click(page.locator('.cr-steps a[rel="prev"]'), second);
});

// The filter, and how the documents are shown, stay: on the way back, and where the record opens anew.
await page.goto(list);
await page.getByText("Filter the documents").click();
await page.getByLabel("Words in the title").fill("note");
await page.getByRole("button", { name: "Filter", exact: true }).click();
await page.locator("#documents", { hasText: "match the filter" }).waitFor();
const filtered = await page.locator("#documents").innerText();
await page.locator("a.cr-title").first().click();
await page.waitForURL(/\/document\//);
await within(1, "document to the filtered list", async () => {
  await click(link("Back to the list of documents"), /\/patient\/[^/]*$/);
  must((await page.locator("#documents").innerText()) === filtered, "the filter is remembered");
});
await page.goto(portal);
await page.waitForURL(/\/patient\//);
must((await page.locator("#documents").innerText()) === filtered, "the filter is remembered anew");
must((await page.getByLabel("Words in the title").inputValue()) === "note", "and said");

await page.goto(`${portal}/search`);
await both("launch-locked", "This session is for one patient");

// Another patient than the one who is open.
await launch(signed(mary));
await both("launch-switch", "Another patient is open here");
await within(1, "switch of patients to list", async () => {
  await click(page.getByRole("button", { name: "Close that patient and go on" }), /\/patient\//);
  must((await heading()) === "Documents", "the list is there");
  must((await page.locator("a.cr-title").count()) > 0, "with documents");
});
must((await page.locator(".cr-banner").innerText()).includes("PARTON, Mary"), "the new patient is open");
await page.goto(list);
await look("launch-closed", "Page not found");

// The wrong patient, the wrong person, and what is not taken.
await launch(signed({ ...mary, family_name: "Okonkwo" }));
await both("launch-mismatch", "This may be the wrong patient");
must((await documents.count()) === 0 && (await page.locator(".cr-banner").count()) === 0, "nothing opens");
const used = signed(mary);
await launch(used);
await page.waitForURL(/\/patient\//);
await launch(used);
await look("launch-ended", "This link has ended");
await launch(`${used}x`);
await both("launch-refused", "The record could not be opened from there");
await signOut();
await launch(signed({ ...mary, sub: "555021900200" }));
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await look("launch-other-person", "Somebody else has signed in");

await page.goto(`${portal}/session-ended`);
await look("session-ended", "session has ended");
await page.goto(`${portal}/signed-out`);
await look("signed-out", "You have signed out");
await browser.close();
