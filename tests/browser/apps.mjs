// An app that people let read for them: from its request through sign-in, role, patient and consent, by
// keys alone, to a token and one read; the no; an app that sends people elsewhere; and all of it without
// scripts, under the portal's own policy of content. The app answers at the address of the demo's.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { browser, fits, look, must, page, pictures, portal, tabTo } from "./look.mjs";

const home = "http://127.0.0.1:9000/callback";
// Another origin, as apps have it whose pages are elsewhere than their server.
const after = "http://localhost:9000/signed-in";
const told = [];
const app = createServer((request, answer) => {
  const { pathname, searchParams } = new URL(request.url, home);
  if (pathname === "/callback") {
    told.push(searchParams);
    answer.writeHead(303, { location: after });
  }
  answer.end("The app");
});
app.listen(9000, "127.0.0.1").unref();

const config = await (await fetch(`${portal}/fhir/.well-known/smart-configuration`)).json();
const verifier = randomBytes(32).toString("base64url");
const state = "a state & more";

function asks(change = {}) {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "demo-app",
    redirect_uri: home,
    scope: "launch/patient patient/*.rs",
    state,
    aud: `${portal}/fhir`,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...change,
  });
  return `${config.authorization_endpoint}?${query}`;
}

// What the browser brings back to the app.
async function brought(tab) {
  await tab.waitForURL(after);
  must(told.length === 1, `the app was told ${told.length} times`);
  const sent = told.pop();
  must(sent.get("state") === state && sent.get("iss") === config.issuer, `it brings ${sent}`);
  must(!/999\s?000/.test(sent.toString()), "an address tells of the patient");
  return sent;
}

async function reads(code) {
  const form = { grant_type: "authorization_code", client_id: "demo-app", redirect_uri: home };
  const body = new URLSearchParams({ ...form, code, code_verifier: verifier });
  const given = await fetch(config.token_endpoint, { method: "POST", body });
  must(given.status === 200, `the code gives ${given.status}`);
  const { access_token: token, patient } = await given.json();
  const headers = { authorization: `Bearer ${token}` };
  const read = await fetch(`${portal}/fhir/Patient/${patient}`, { headers });
  must(read.status === 200, `the patient is ${read.status}`);
  const family = (await read.json()).name[0].family;
  must(/^okafor$/i.test(family), `it is the record of ${family}`);
}

async function titled(words) {
  const title = await page.title();
  must(title === `${words} - Care Record`, `the title is "${title}"`);
}

// By keys alone, from the request to the answer.
await page.goto(asks());
await tabTo((tag, text) => tag === "BUTTON" && text.includes("Priya Sandhurst"), "the person");
await page.keyboard.press("Enter");
await page.waitForURL(/\/role$/);
await look("app-role", "Which role do you act in?");
await tabTo((tag, text, id) => id === "role-1", "the roles");
await page.keyboard.press("Space");
await tabTo((tag, text) => tag === "BUTTON" && text === "Continue", "the end of the roles");
await page.keyboard.press("Enter");
await page.waitForURL(/\/oauth\/consent$/);
await look("app-consent", "Which patient is it for?");
await titled("Let an app read for you?");
await look("app-consent-who", "Let Example app read for you?");
must((await page.getByRole("button", { name: /^Allow/ }).count()) === 0, "nobody has been chosen");
await tabTo((tag, text, id) => id === "nhs-number", "the number");
await page.keyboard.type("999 000 1007");
await page.keyboard.press("Enter");
await page.waitForURL(/\/oauth\/consent\/patient$/);
const mistake = "Enter a real NHS number; check the digits";
await look("app-consent-mistake", "There is a problem");
await titled("Error: Let an app read for you?");
await tabTo((tag, text) => tag === "A" && text === mistake, "the mistake");
await page.keyboard.press("Enter");
must((await page.locator(":focus").getAttribute("id")) === "nhs-number", "the mistake leads to the number");
await page.keyboard.press("Control+A");
await page.keyboard.type("999 000 1006");
await page.keyboard.press("Enter");
await page.waitForURL(/\/oauth\/consent$/);
await look("app-consent-patient", "Allow for OKAFOR, Ada");
for (const width of [400, 320]) {
  await page.setViewportSize({ width, height: 640 });
  await look(`app-consent-${width}`, "of this one patient");
  await fits(`at ${width} it`);
}
await page.setViewportSize({ width: 1280, height: 720 });
await tabTo((tag, text) => tag === "BUTTON" && text.startsWith("Allow for OKAFOR"), "the yes");
await page.keyboard.press("Enter");
await reads((await brought(page)).get("code"));
console.log("by keys: sign-in, role, patient, yes");
await page.goto(`${portal}/oauth/consent`);
await look("app-answered", "No app waits for your answer");

// The no, to an app that asks about whoever is open.
await page.goto(asks());
await look("app-consent-again", "Allow for OKAFOR, Ada");
await tabTo((tag, text) => tag === "BUTTON" && text === "Do not allow", "the no");
await page.keyboard.press("Enter");
const no = await brought(page);
must(no.get("error") === "access_denied" && !no.has("code"), `no is ${no}`);

// Somewhere that is not the app's: the person is told, and nobody else.
for (const change of [{ redirect_uri: `${home}/elsewhere` }, { client_id: "nobody" }]) {
  await page.goto(asks(change));
  await look(`app-unknown-${Object.keys(change)}`, "It has been told nothing and gets nothing.");
  await titled("The app cannot be let in");
  must(page.url() === `${portal}/oauth/consent` && told.length === 0, `it leads to ${page.url()}`);
}

// Without scripts, and first with a mistake of the app's, which it is told after the sign-in.
const plain = await browser.newContext({ javaScriptEnabled: false });
const still = await plain.newPage();
await still.goto(asks({ code_challenge_method: "plain" }));
await still.getByRole("button", { name: "Imogen Farrow" }).click();
must((await brought(still)).get("error") === "invalid_request", "the app is told what is wrong");
await still.goto(asks());
await still.locator("#nhs-number").fill("999 000 1007");
await still.getByRole("button", { name: "Choose this patient" }).click();
await still.getByRole("link", { name: mistake }).waitFor();
await still.screenshot({ path: `${pictures}/app-no-scripts.png`, fullPage: true });
await still.locator("#nhs-number").fill("999 000 1006");
await still.getByRole("button", { name: "Choose this patient" }).click();
await still.getByRole("button", { name: "Allow for OKAFOR, Ada" }).click();
await reads((await brought(still)).get("code"));
console.log("without scripts: sign-in, patient, yes");
await browser.close();
