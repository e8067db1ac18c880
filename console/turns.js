// Reads many small things, four at a time, so that a page with many rows does not take the API away from others.

const AT_ONCE = 4;
let running = 0;
/** @type {(() => void)[]} */
const waiting = [];

/**
 * @template T
 * @param {() => Promise<T>} read
 * @returns {Promise<T>}
 */
export async function inTurn(read) {
  if (running >= AT_ONCE) await new Promise((resolve) => waiting.push(() => resolve(null)));
  running += 1;
  try {
    return await read();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/**
 * Returns a reading that is made once for each id, and made again if it failed.
 * @template T
 * @param {(id: string) => Promise<T>} read
 * @returns {(id: string) => Promise<T>}
 */
export function once(read) {
  /** @type {Map<string, Promise<T>>} */
  const made = new Map();
  return (id) => {
    const reading = made.get(id) ?? inTurn(() => read(id));
    made.set(id, reading);
    reading.catch(() => made.delete(id));
    return reading;
  };
}
