// Fetches the page's files before it begins: four at a time, and again where that fails. A browser would ask for all of them at
// once, and give up at the first refusal; in a small AWS account, the functions that return them may all be busy.

const AT_ONCE = 4;
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 5_000;

/** Fetches a file, so that the browser has it in its cache. @param {string} path */
async function fetchFile(path) {
  for (let wait = FIRST_WAIT_MS; wait < LAST_WAIT_MS; wait *= 2) {
    const response = await fetch(new URL(path, import.meta.url), { credentials: "same-origin" }).catch(() => null);
    if (response?.ok) return response.text();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function fetchAll() {
  const named = document.querySelector("meta[name=files]")?.getAttribute("content") ?? "";
  const left = named.split(" ").filter((path) => path !== "");
  const work = async () => {
    for (let path = left.pop(); path; path = left.pop()) await fetchFile(path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

await fetchAll();
try {
  await import("./app.js");
} catch (error) {
  document.body.textContent = "Posthorn's page could not be loaded. Reload it. / 页面加载失败，请刷新。";
  throw error;
}
