// What this phone remembers of what was chosen. Where nothing may be stored, nothing is remembered.

const name = (key) => `outpost.${key}`;

export function get(key) {
  try {
    return localStorage.getItem(name(key));
  } catch {
    return null;
  }
}

export function set(key, value) {
  try {
    localStorage.setItem(name(key), value);
  } catch {
    // Storage is full, or forbidden.
  }
}
