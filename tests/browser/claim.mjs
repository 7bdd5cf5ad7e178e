// A record without a relationship, and the claim that opens it.
import { browser, find, look, page, signIn } from "./look.mjs";

await signIn("Tomasz Wren");
await find("999 000 1146");
await look("no-relationship", "You cannot see this record");
await page.getByRole("link", { name: "say so, with a reason" }).click();
await look("claim", "How are you caring for the patient?");
await page.getByLabel("How are you caring for the patient?").fill("short");
const send = page.getByRole("button", { name: "Open the record and record my reason" });
await send.click();
await look("claim-mistake", "in at least 10 characters");
await page.getByLabel("How are you caring for the patient?").fill("They have come to my clinic today.");
await send.click();
await look("claimed", "Letter 1");
await browser.close();
