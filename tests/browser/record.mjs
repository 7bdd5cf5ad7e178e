// A record: its faces, its filter, what is new, the desk for consent, the account; the way from the
// search to a document by keys alone, and without scripts; and a screen of 320 CSS pixels, which is
// what 1280 become at 400 %.
import { browser, find, fits, look, must, narrow, page, pictures, portal, signIn, signOut, tabTo } from "./look.mjs";

await signIn();
await look("home-empty", "You have not opened a record since you signed in.");
await find("999 000 1006");
await look("overview", "Chosen for general practice");
await look("overview-first", "You have not looked at this record in the last 6 months.");
const record = page.url();
await page.getByRole("link", { name: "List", exact: true }).click();
await look("record-list", "Filter the documents");
const all = await page.locator("a.cr-title").count();
await page.getByRole("link", { name: "Timeline", exact: true }).click();
await look("timeline", "Timeline of documents");
must((await page.locator("a.cr-title").count()) === all, "list and timeline are of one set");
await page.getByText("Filter the documents").click();
await page.getByLabel("Words in the title").fill("letter");
await page.getByRole("button", { name: "Filter", exact: true }).click();
await look("filtered", "match the filter");
must(page.url().includes("show=timeline"), "the face stays");
must(!page.url().includes("letter"), "the filter is in no address");
await page.getByLabel("Words in the title").fill("zebra");
await page.getByRole("button", { name: "Filter", exact: true }).click();
await look("filtered-none", "No document matches");
await page.getByLabel("From").fill("2026-03-02");
await page.getByLabel("To", { exact: true }).fill("2026-03-01");
await page.getByRole("button", { name: "Filter", exact: true }).click();
await look("filter-mistake", "There is a problem");
await page.goto(`${record}?show=list`);
await page.getByRole("button", { name: "Show all" }).click();
await page.locator(".cr-groups a").first().click();
await look("group", "All groups");
await page.goto(record + "?show=overview");
await page.getByText("Each source").click();
await page.getByRole("button", { name: "Ask all sources again" }).click();
await look("sources", "How complete this is");

await page.goto(`${record}?show=list`);
await page.locator("#inside-words").fill(" ");
await page.locator("#inside-words").press("Enter");
await look("inside-mistake", "There is a problem");
await page.locator("#inside-words").fill("letter");
await page.locator("#inside-words").press("Enter");
await look("inside", "Words in documents");
await page.goto(record);
await page.getByRole("link", { name: "Summary: allergies" }).click();
await look("summary", "What this summary is taken from");
await narrow("summary", "Encounters");
await page.goto(`${portal}/accessibility`);
await look("accessibility", "Accessibility statement");
await page.goto(`${portal}/nothing-here`);
await look("not-found", "Page not found");
await page.goto(record);

await page.getByRole("link", { name: "What the patient says about sharing" }).click();
await look("consent", "Recorded so far");
await page.getByRole("button", { name: "Record", exact: true }).click();
await look("consent-mistake", "Choose what the patient says");
await page.getByLabel("Objects to sharing documents of one class").check();
await page.getByLabel("Class of documents that is not shared").selectOption({ label: "Care plan" });
await page.getByLabel("The patient", { exact: true }).check();
await page.getByRole("button", { name: "Record", exact: true }).click();
await look("consent-recorded", "documents of the class Care plan");
await page.locator(".nhsuk-summary-list__row", { hasText: "Care plan" }).getByRole("button").click();
await look("consent-lifted", "Lifted");

await page.goto(`${portal}/search`);
await look("home", "Recent patients");
await page.getByRole("link", { name: "Imogen Farrow" }).click();
await look("account", "Sign out everywhere");

// By keys alone: to the search, to the list, to a document, and back.
await page.goto(`${portal}/search`);
await page.keyboard.press("Tab");
must((await page.locator(":focus").innerText()) === "Skip to main content", "the way past the menu");
await tabTo((tag, text, id) => id === "search", "the search");
await page.keyboard.type("9990001006");
await page.keyboard.press("Enter");
await page.waitForURL(/\/patient\//);
await tabTo((tag, text) => tag === "A" && text === "List", "the list");
await page.keyboard.press("Enter");
await page.waitForURL(/show=list/);
await tabTo((tag, text) => tag === "SUMMARY" && text.startsWith("Filter"), "the filter");
await page.keyboard.press("Enter");
await tabTo((tag, text, id) => id === "filter-text", "the words of the filter");
await page.keyboard.type("letter");
await page.keyboard.press("Enter");
await page.waitForURL(/#documents/);
await tabTo((tag, text, id, kind) => kind === "cr-title", "a document");
await page.keyboard.press("Enter");
await page.waitForURL(/\/document\//);
await look("by-keys", "Care Record");
await page.goBack();
await page.waitForURL(/show=list/);
console.log("by keys: search, list, filter, document");

// Without scripts.
const cookies = await page.context().cookies();
const plain = await browser.newContext({ javaScriptEnabled: false });
await plain.addCookies(cookies);
const still = await plain.newPage();
await still.goto(`${portal}/search`);
await still.locator("#search").fill("999 000 1006");
await still.locator("main form button").first().click();
await still.waitForURL(/\/patient\//);
await still.getByRole("link", { name: "List", exact: true }).click();
await still.locator("summary", { hasText: "Filter the documents" }).waitFor();
await still.getByRole("button", { name: "Show all" }).click();
await still.waitForURL(/#documents/);
await still.screenshot({ path: `${pictures}/no-scripts-list.png`, fullPage: true });
await still.locator("a.cr-title").first().click();
await still.waitForURL(/\/document\//);
must((await still.locator("main h1").count()) > 0, "a document opens without scripts");
await plain.close();
console.log("without scripts: search, list, filter, document");

// Narrow: nothing is cut off and nothing scrolls sideways.
for (const width of [400, 320]) {
  await page.setViewportSize({ width, height: 640 });
  for (const [name, path] of [
    ["home", `${portal}/search`],
    ["overview", `${record}?show=overview`],
    ["list", `${record}?show=list`],
    ["timeline", `${record}?show=timeline`],
    ["consent", `${record}/consent`],
    ["account", `${portal}/account`],
  ]) {
    await page.goto(path);
    await look(`narrow-${width}-${name}`, "Care Record");
    await fits(`${name} at ${width}`);
  }
}
await page.setViewportSize({ width: 1280, height: 900 });

await page.goto(`${portal}/account`);
await page.getByRole("button", { name: "Sign out everywhere" }).click();
await page.waitForURL(/signed-out/);
await look("signed-out-everywhere", "signed out");

await signIn("Imogen Farrow");
await find("999 000 1006");
await look("overview-again", "Nothing new since you last looked");
await signOut();

// Social care asks first.
await signIn("Gareth Pennant");
await find("999 000 1081");
await look("ask-first", "record what the patient says");
await page.getByRole("link", { name: "record what the patient says" }).click();
await look("ask-at-view", "Agrees that");
await page.getByLabel("Agrees that").check();
await page.getByLabel("The patient", { exact: true }).check();
await page.getByLabel("How long does it hold?").selectOption({ label: "24 hours" });
await page.getByRole("button", { name: "Record", exact: true }).click();
await page.waitForURL(/\/patient\/[^/]*$/);
await page.goto(`${page.url()}?show=overview`);
await look("social-care", "Chosen for social care");
await browser.close();
