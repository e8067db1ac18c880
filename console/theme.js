// How the page looks: light or dark, and the colour and logo that a portal's session brings.

import { lasting } from "./storage.js";

/** The page's own backgrounds, and how much an accent must stand out from them (WCAG AA). */
const BACKGROUNDS = { light: "#ffffff", dark: "#151412" };
const LEAST_CONTRAST = 4.5;

/** @returns {"light" | "dark"} */
export function theme() {
  const chosen = lasting.get("theme");
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme() {
  const chosen = lasting.get("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}

export function switchTheme() {
  lasting.set("theme", theme() === "dark" ? "light" : "dark");
  applyTheme();
}

/** Uses a colour for links and buttons, in each theme where it can be read. @param {string | undefined} color */
export function applyAccent(color) {
  const isColor = color && /^#[0-9a-f]{6}$/i.test(color);
  for (const [name, background] of Object.entries(BACKGROUNDS)) {
    const isReadable = isColor && contrast(color, background) >= LEAST_CONTRAST;
    // Without a colour, that of an earlier session goes.
    document.documentElement.style.setProperty(`--accent-${name}`, isReadable ? color : "");
  }
}

/** @param {string} one @param {string} other */
function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** @param {string} color as `#rrggbb` */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
