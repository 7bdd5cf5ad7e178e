// A system that launches: a page of its own with a button, and what the button sends, signed. It stands
// where the demo lets launches lead back to. One argument more: the system's key.
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { more, page, portal } from "./look.mjs";

const key = createPrivateKey(readFileSync(more[0]));
const ward = new URL("/ward", portal);
ward.port = Number(ward.port) + 8;
let ctx = "";
const system = createServer((request, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end(`<title>EPR</title><form action="${portal}/launch" method="post">
    <input type="hidden" name="ctx" value="${ctx}"><button>Open the shared record</button></form>`);
});
system.listen(Number(ward.port), ward.hostname).unref();

// A launch for Imogen Farrow unless the claims say otherwise. NHS: 7, A.
export function signed(claims) {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: "demo-epr", aud: portal, iat: now, exp: now + 60, jti: randomUUID(), sub: "555021900100",
    org: "A20047", purpose: "directcare", return_url: ward.href, ...claims,
  };
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const text = `${encode({ alg: "ES256", typ: "JWT" })}.${encode(all)}`;
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

// The system's page, with a launch behind its button.
export async function offer(sent) {
  ctx = sent;
  await page.goto(ward.href);
  return page.getByRole("button", { name: "Open the shared record" });
}

export async function launch(sent) {
  await (await offer(sent)).click();
  await page.waitForLoadState();
}
