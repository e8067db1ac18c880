// What the browser remembers for this page. Where it refuses, as in some embedded pages, it is remembered until the page closes.

/** @param {() => Storage} storage */
function store(storage) {
  /** @type {Map<string, string | null>} */
  const memory = new Map();
  return {
    /** @param {string} key */
    get(key) {
      try {
        return memory.get(key) ?? storage().getItem(key);
      } catch {
        return null;
      }
    },
    /** @param {string} key @param {string | null} value */
    set(key, value) {
      memory.set(key, value);
      try {
        if (value === null) storage().removeItem(key);
        else storage().setItem(key, value);
      } catch {
        // The memory above has it.
      }
    },
  };
}

/** For the reader's choices, in all tabs and for good. */
export const lasting = store(() => localStorage);

/** For this tab, until it closes. */
export const ofThisTab = store(() => sessionStorage);
