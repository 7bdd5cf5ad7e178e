// Enhances the pages; every one of them works without this.
import { initAll } from "./nhsuk-frontend.min.js";

document.body.classList.add("js-enabled");
if ("noModule" in HTMLScriptElement.prototype) {
  document.body.classList.add("nhsuk-frontend-supported");
}
initAll();

// The session ends on the server after a time without requests; a page left open must not keep
// showing a patient after that. `data-ends-after` is in seconds.
const ends = Number(document.body.dataset.endsAfter);
if (ends > 0) {
  window.setTimeout(() => window.location.replace("/session-ended"), (ends + 1) * 1000);
}

// A page taken from the browser's own memory may show what the reader may no longer see.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    window.location.reload();
  }
});

// Next and previous document by key. With modifiers, so that no letter alone does something.
document.querySelectorAll(".cr-keys, [data-print]").forEach((element) => {
  element.hidden = false;
});
window.addEventListener("keydown", (event) => {
  if (!event.altKey || !event.shiftKey || event.ctrlKey || event.metaKey) return;
  const rel = { KeyN: "next", KeyP: "prev" }[event.code];
  const link = rel && document.querySelector(`.cr-steps a[rel="${rel}"]`);
  if (link) {
    event.preventDefault();
    link.click();
  }
});
document.querySelector("[data-print]")?.addEventListener("click", () => window.print());

// A text to be copied is selected when it is entered, and has a button.
document.querySelectorAll("[data-copy]").forEach((button) => {
  const field = document.getElementById(button.dataset.copy);
  const status = button.nextElementSibling;
  field.addEventListener("focus", () => field.select());
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied";
    } catch {
      field.focus();
      status.textContent = "Your browser did not copy it. It is selected: copy it with your keyboard.";
    }
  });
});
