// Access packs: a privacy officer asks, follows, fetches and removes; a citizen has a copy of her own
// record; each at a wide and a narrow window.
import { readFileSync } from "node:fs";
import { both, browser, look, page, portal, signIn, signOut } from "./look.mjs";

// As without JavaScript: by the link, until it is there.
async function untilReady() {
  for (let n = 0; n < 100; n += 1) {
    if (await page.getByRole("button", { name: /^Download/ }).count()) return;
    await page.getByRole("link", { name: "Check again" }).click();
    await page.waitForTimeout(200);
  }
  throw new Error("the pack does not become ready");
}

async function download() {
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  const file = await waiting;
  if (!/^access-pack-[0-9a-f]{8}\.zip$/.test(file.suggestedFilename())) {
    throw new Error(`it came as ${file.suggestedFilename()}`);
  }
  const bytes = readFileSync(await file.path());
  for (const name of ["index.html", "accesses.jsonl", "manifest.sig"]) {
    if (!bytes.includes(name)) throw new Error(`no ${name} in the pack`);
  }
}

await signIn("Leila Haddon");
await page.getByRole("link", { name: "Access packs" }).click();
await both("packs-empty", "There is none.");
await page.getByRole("button", { name: "Ask for a pack" }).click();
await both("packs-mistake", "Enter a real NHS number");
await page.getByLabel("NHS number").fill("999 000 1146");
await page.getByLabel("Reference").fill("SAR-2026-014");
await page.getByLabel("What is it for?").fill("The person has asked for it in writing.");
await page.getByRole("button", { name: "Ask for a pack" }).click();
await page.waitForURL(/access-packs\/[0-9a-f-]{36}$/);
await untilReady();
await both("pack-ready", "SAR-2026-014");
await download();
await page.getByRole("link", { name: "Back to access packs" }).click();
await both("packs", "SAR-2026-014");
await page.locator('main tbody a[href^="/access-packs/"]').first().click();
await page.getByRole("button", { name: "Remove it" }).click();
await look("packs-removed", "There is none.");
await signOut();

await page.goto(portal);
await page.getByRole("button", { name: "Continue with NHS login" }).click();
await page.getByRole("button", { name: "Sign in as Ada Okafor" }).click();
await page.getByRole("link", { name: "See your documents" }).click();
await page.getByRole("link", { name: "Download a copy" }).click();
await both("citizen-copy", "It is one ZIP file.");
await page.getByRole("button", { name: "Ask for a copy" }).click();
await page.waitForURL(/access-packs\/[0-9a-f-]{36}$/);
await untilReady();
await both("citizen-copy-ready", "Open index.html in it first.");
await download();
await browser.close();
