// Times the tasks of a record with 5,000 documents, in milliseconds from the act to the paint, and fails
// where the 95th of 100 is over the goal. One argument more: the key of the system that launches.
import { offer, signed } from "./epr.mjs";
import { browser, find, must, page, portal } from "./look.mjs";

const rounds = 20;
// NHS: 8.5.
const goal = 1000;
const lee = { nhs_number: "9990001146", family_name: "Newman", birth_date: "1979-06-06" };

await page.goto(portal);
await page.locator("main a.nhsuk-button").first().click();
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await page.waitForURL(/\/search/);

// Until the next frame after the page is there has been drawn.
async function painted() {
  await page.waitForLoadState("domcontentloaded");
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );
}

const took = new Map();
async function timed(task, act) {
  const start = performance.now();
  await act();
  await painted();
  const all = took.get(task) ?? [];
  took.set(task, [...all, performance.now() - start]);
}

await find("999 000 1146");
await page.waitForURL(/\/patient\//);
const record = page.url();
for (let round = 0; round < rounds; round += 1) {
  await page.goto(`${portal}/search`);
  await page.locator("#search").fill("999 000 1146");
  await timed("search to overview painted", async () => {
    await page.locator("main form button").first().click();
    await page.waitForURL(/\/patient\//);
  });
  await timed("overview to list painted", async () => {
    await page.getByRole("link", { name: "List", exact: true }).click();
    await page.waitForURL(/show=list/);
  });
  await page.locator("details", { hasText: "Filter the documents" }).first().evaluate((e) => {
    e.open = true;
  });
  await page.getByLabel("Words in the title").fill(round % 2 ? "letter 1" : "letter 2");
  await timed("filter", async () => {
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.locator("#documents", { hasText: "match the filter" }).waitFor();
    await page.waitForURL(/#documents/);
  });
  await timed("list to timeline painted", async () => {
    await page.getByRole("link", { name: "Timeline", exact: true }).click();
    await page.waitForURL(/show=timeline/);
  });
  await timed("result to document", async () => {
    await page.locator("a.cr-title").first().click();
    await page.waitForURL(/\/document\//);
  });
  const at = page.url();
  await timed("document to next document", async () => {
    await page.keyboard.press("Alt+Shift+KeyN");
    await page.waitForURL((url) => url.href !== at && url.pathname.includes("/document/"));
  });
  await page.goto(`${record}?show=list`);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.locator("#documents", { hasText: "5000 documents" }).waitFor();
}

const rows = await page.locator("a.cr-title").count();
must(rows <= 200, `${rows} documents are on one page`);

// Last, since a launch closes the session to all but its patient.
for (let round = 0; round < rounds; round += 1) {
  const button = await offer(signed(lee));
  await timed("launch to documents painted", async () => {
    await button.click();
    await page.waitForURL(/\/patient\/[0-9a-f-]{36}$/);
  });
  must((await page.locator("a.cr-title").count()) > 0, "documents are there");
}

const slow = [];
for (const [task, all] of took) {
  all.sort((a, b) => a - b);
  const at = (share) => Math.round(all[Math.min(all.length - 1, Math.floor(all.length * share))]);
  console.log(`${task}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms of ${all.length}`);
  if (at(0.95) > goal) slow.push(task);
}
await browser.close();
must(slow.length === 0, `over ${goal} ms at p95: ${slow.join(", ")}`);
