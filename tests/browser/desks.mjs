// The desks: a privacy officer goes through reports and agreements, who runs the programme through
// feeds; each at a wide and a narrow window.
import { both, browser, find, look, page, signIn, signOut } from "./look.mjs";

// The GP looks at her own record.
await signIn();
await find("999 000 1057");
await page.locator('main a[href*="/document/"]').first().waitFor();
await signOut();

await signIn("Anwen Tregarth");
await page.getByRole("link", { name: "Reports" }).click();
await both("reports-empty", "There is nothing.");
await page.getByRole("button", { name: "Go through the last 24 hours now" }).click();
await both("reports", "Looked at their own record");
await page.locator('main tbody a[href^="/reports/"]').first().click();
await both("report", "What it rests on");
await page.getByRole("button", { name: "Save" }).click();
await look("report-mistake", "Choose where the review stands");
await page.getByLabel("In review").check();
await page.getByRole("button", { name: "Save" }).click();
await look("report-in-review", "What was noted");
await page.getByRole("link", { name: "Access 1", exact: true }).click();
await both("looked-record", "Recorded by");
await page.goto(new URL("/reports?show=closed", page.url()).href);
await look("reports-closed", "There is nothing.");
await page.getByRole("link", { name: "Agreements" }).click();
await both("agreements", "Who shares with whom today");
await signOut();

await signIn("Maren Holloway");
await page.getByRole("link", { name: "Feeds" }).click();
await both("feeds", "When a reason is mended, the sender sends the message again");
await page.getByRole("button", { name: "Try 1 again" }).click();
await both("feeds-again", "1 message taken now.");
await page.locator('main a[href^="/looked/request/"]').first().click();
await look("feeds-request", "Recorded by");
await page.getByRole("link", { name: "Usage" }).click();
await both("usage", "By organisation and role");
await page.getByRole("link", { name: "7 days" }).click();
await look("usage-week", "Records opened: ");
await page.getByRole("link", { name: "Agreements" }).click();
await look("agreements-operator", "Every agreement");
await browser.close();
