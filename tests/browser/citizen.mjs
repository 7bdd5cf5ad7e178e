// The desk of citizens: own record, who has looked, what is shared, each at a wide and a narrow window;
// somebody else's; who may not.
import { both, browser, look, page, portal, signOut } from "./look.mjs";

const signIn = async (name) => {
  await page.goto(portal);
  await page.getByRole("button", { name: "Continue with NHS login" }).click();
  await page.getByRole("button", { name: `Sign in as ${name}` }).click();
};

await page.goto(portal);
await both("citizen-start", "Is it your own record?");
await signIn("Ada Okafor");
await both("citizen-people", "Your own record");
await page.getByRole("link", { name: "See your documents" }).click();
await both("citizen-documents", "Your documents");
await page.getByRole("link", { name: "Telephone note" }).click();
await both("citizen-document", "Dressing changed");
await page.getByRole("link", { name: "Back to the list of documents" }).click();
await page.getByRole("link", { name: "Who has looked" }).click();
await both("citizen-looked", "Who has looked at your record");
await page.getByRole("link", { name: "What is shared" }).click();
await look("citizen-sharing", "You have agreed to sharing with");
await page.getByRole("button", { name: "Object to sharing" }).click();
await both("citizen-sharing-mistake", "Choose what should not be shared");
await page.getByLabel("What one organisation holds or wrote").check();
await page.getByLabel("Which organisation").selectOption({ label: "Example Council" });
await page.getByRole("button", { name: "Object to sharing" }).click();
await look("citizen-objected", "What Example Council holds or wrote is not shared with others");
await page.locator(".nhsuk-card", { hasText: "What Example Council" }).getByRole("button").click();
await look("citizen-taken-back", "You have agreed to sharing with");
await signOut();

await signIn("Jo Quiet");
await look("citizen-proxy", "People you act for");
await page.getByRole("link", { name: "See the documents of Tia Young" }).click();
await look("citizen-proxy-documents", "Documents of Tia YOUNG");
await page.getByRole("link", { name: "Who has looked" }).click();
await look("citizen-proxy-looked", "Who has looked at the record of Tia YOUNG");
await signOut();

await signIn("Lee Newman");
await look("citizen-refused", "you need to have proved who you are");
await browser.close();
