// The documentation: each of its pages.
import { browser, look, page, portal } from "./look.mjs";

await page.goto(`${portal}/docs`);
await look("docs", "Care Record");
const links = page.locator("a").evaluateAll((all) => all.map((a) => a.href.split("#")[0]));
const pages = [...new Set(await links)].filter((url) => /\/docs\/[^?]*\.html$/.test(url));
if (pages.length < 20) throw new Error(`only ${pages.length} pages are linked`);
for (const url of pages) {
  await page.goto(url);
  await look(`docs-${url.split("/").pop()}`, await page.locator("h1").first().innerText());
}
await page.setViewportSize({ width: 360, height: 740 });
await page.goto(`${portal}/docs/look.html`);
await look("docs-narrow", await page.locator("h1").first().innerText());
await browser.close();
