// Opens documents that try to run or to load something, under the portal's own policy of content,
// and fails when one does, or when the browser has anything to report of that policy.
import { browser, pictures, portal } from "./look.mjs";

const context = await browser.newContext();
const page = await context.newPage();
const reports = [];
let watching = false;
const report = (words) => watching && reports.push(words);
page.on("dialog", (dialog) => {
  report(`dialog: ${dialog.message()}`);
  return dialog.dismiss();
});
page.on("console", (message) => {
  if (/Content Security Policy|Refused to|violation/i.test(message.text())) report(message.text());
});
page.on("pageerror", (error) => report(`error: ${error.message}`));
let ours = false;
context.on("page", (other) => ours || report(`a window opened: ${other.url()}`));
context.on("request", (request) => {
  const url = new URL(request.url());
  if (url.protocol.startsWith("http") && url.origin !== new URL(portal).origin) {
    report(`asked: ${url.origin}`);
  }
});
await page.addInitScript(() => {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`violation of ${event.effectiveDirective} by ${event.blockedURI}`);
  });
});

await page.goto(portal);
await page.locator("main button, main a.nhsuk-button").first().click();
await page.getByRole("button", { name: "Imogen Farrow" }).click();
await page.goto(`${portal}/search`);
await page.locator("#search").fill("999 000 1146");
await page.locator("main form button").first().click();
await page.waitForLoadState();
const list = page.url();
await page.goto(`${list}?show=list`);
const links = await page.locator('main a[href*="/document/"]').evaluateAll((all) =>
  all.filter((a) => a.textContent.startsWith("Hostile")).map((a) => [a.textContent, a.href]));
if (links.length !== 17) throw new Error(`${links.length} hostile documents are listed, not 17`);
const isShown = (title) =>
  /^Hostile (CDA|FHIR|page|page in XHTML|words|words <img.*|rich text)$/.test(title);

watching = true;
for (const [title, href] of links) {
  for (const path of ["", "/download"]) {
    await page.goto(href + path);
    await page.waitForTimeout(400);
    await harmless(`${title}${path}`);
  }
  await page.goto(href);
  await page.screenshot({ path: `${pictures}/${title.toLowerCase().replace(/[^a-z]+/g, "-")}.png` });
  const text = await page.locator("main").innerText();
  const shown = isShown(title);
  if (shown && !text.includes("kept")) throw new Error(`${title}: its text is not shown`);
  if (!shown && !/cannot be shown|no text view|registered as|pixels large|holds scripts|Second/.test(text)) {
    throw new Error(`${title}: nothing is said of it`);
  }
  await copies(title, href, shown);
  await bytes(title, href);
  console.log(`${title}: seen`);
}
await compared();
await found();
if (reports.length) throw new Error(reports.join("\n"));
await browser.close();

/// What a reader may do: move over the text, open what can be opened, go through it by keyboard.
async function attempt() {
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  const box = await page.locator("main").boundingBox();
  for (const y of [0.2, 0.5, 0.8]) {
    await page.mouse.move(box.x + box.width / 2, box.y + Math.min(box.height, 700) * y);
  }
  for (let n = 0; n < 25; n += 1) await page.keyboard.press("Tab");
}

/// The page has nothing but what we write.
async function harmless(what) {
  await attempt();
  const strange = await page.evaluate(() => {
    const bad = "iframe:not(.cr-frame), object, embed, base, style, video, audio, svg script, math";
    const inside = document.querySelectorAll(`main script, main link, main form:not([method=post])`);
    const handlers = [...document.querySelectorAll("*")].filter((e) =>
      [...e.attributes].some((a) => a.name.startsWith("on") || a.name === "style"));
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    const twice = ids.filter((id, n) => ids.indexOf(id) !== n);
    const all = [...document.querySelectorAll(bad), ...inside, ...handlers];
    return [...all.map((e) => e.outerHTML.slice(0, 300)), ...twice];
  });
  if (strange.length) throw new Error(`${what}: ${strange.join("\n")}`);
}

/// What the browser is given to show by itself: a PDF that is still, or what is called a picture, under
/// a policy by which nothing runs or loads; or nothing.
async function bytes(title, href) {
  const answer = await context.request.get(`${href}/content`);
  if (/^Hostile PDF/.test(title) && answer.status() !== 404) {
    throw new Error(`${title}: it is given to the browser`);
  }
  if (answer.status() !== 404) {
    const { "content-type": kind, "content-security-policy": policy, "x-content-type-options": sniff } =
      answer.headers();
    const isClosed = policy.startsWith("default-src 'none'") && sniff === "nosniff";
    if (!/^(application\/pdf|image\/(png|gif))$/.test(kind) || !isClosed) {
      throw new Error(`${title}: given as ${kind} under ${policy}`);
    }
  }
  // By itself in a window. A browser without a viewer of PDF makes a download of it; what it reports of
  // the policy is of its own page around a picture.
  ours = true;
  const other = await context.newPage();
  ours = false;
  other.on("dialog", (dialog) => {
    report(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  await other.goto(`${href}/content`).catch(() => {});
  await other.waitForTimeout(300);
  await other.close();
}

/// Every text beside the next, whatever they have to do with each other.
async function compared() {
  const texts = links.filter(([title]) => isShown(title));
  for (const [n, [title, href]] of texts.entries()) {
    const other = texts[(n + 1) % texts.length][1].split("/").at(-1);
    await page.goto(`${href}/compare/${other}`);
    await harmless(`${title}, compared`);
    const text = await page.locator("main").innerText();
    if (!/changed\.|are the same\./.test(text)) throw new Error(`${title}: it is not compared`);
  }
}

/// The places where words stand in the documents, which are found once they have been read.
async function found() {
  for (const words of ["kept", "alert", "script"]) {
    let titles = [];
    const isFound = () => titles.some((title) => title.startsWith("Hostile words"));
    for (let n = 0; n < 60 && !isFound(); n += 1) {
      if (n) await page.waitForTimeout(500);
      await page.goto(`${list}?show=list`);
      await page.locator("#inside-words").fill(words);
      await page.locator("#inside-words").press("Enter");
      await page.getByRole("heading", { name: "Words in documents", level: 1 }).waitFor();
      titles = await page.locator(".cr-hit h2").allInnerTexts();
    }
    if (!isFound()) throw new Error(`"${words}" is found in ${titles.join(", ") || "nothing"}`);
    // Before the picture, for which the browser's driver gives fields a style.
    await harmless(`"${words}", found`);
    await page.screenshot({ path: `${pictures}/hostile-found-${words}.png` });
  }
}

/// The copy to print, and the one that leaves, opened from a file; or why there is none.
async function copies(title, href, shown) {
  await page.goto(`${href}/download`);
  if (!(await page.getByRole("button", { name: "Show a copy to print" }).count())) {
    if (shown) throw new Error(`${title}: no copy is offered`);
    return;
  }
  if (title === "Hostile giant table") return;
  await page.getByLabel("Care of this patient").check();
  if (!shown) {
    await page.getByRole("button", { name: "Download a marked copy" }).click();
    await page.getByText("No copy with marks can be made of it.").waitFor();
    await harmless(`${title}, no copy`);
    return;
  }
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download a marked copy" }).click(),
  ]);
  const path = `${pictures}/copy.html`;
  await file.saveAs(path);
  await page.getByRole("button", { name: "Show a copy to print" }).click();
  await page.waitForTimeout(300);
  await page.goto(`file://${path}`);
  await page.waitForTimeout(300);
  const text = await page.locator("body").innerText();
  if (!text.includes("Copy made")) throw new Error(`${href}: the copy has no mark`);
}
