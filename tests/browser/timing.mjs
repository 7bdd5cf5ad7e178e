// Times the tasks of a record with 5,000 documents, in milliseconds from the act to the paint.
import { browser, find, page, portal } from "./look.mjs";

const rounds = 20;

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

await find("999 000 1111");
await page.waitForURL(/\/patient\//);
const record = page.url();
for (let round = 0; round < rounds; round += 1) {
  await page.goto(`${portal}/search`);
  await page.locator("#search").fill("999 000 1111");
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
if (rows > 200) throw new Error(`${rows} documents are on one page`);
for (const [task, all] of took) {
  all.sort((a, b) => a - b);
  const at = (share) => Math.round(all[Math.min(all.length - 1, Math.floor(all.length * share))]);
  console.log(`${task}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms of ${all.length}`);
}
await browser.close();
