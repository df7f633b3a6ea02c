/** Whether the server last refused this browser for want of a valid sign-in. */
let signedOut = false;
const listeners = new Set<() => void>();

export function isSignedOut(): boolean {
  return signedOut;
}

export function setSignedOut(value: boolean): void {
  if (value === signedOut) return;
  signedOut = value;
  for (const listener of listeners) listener();
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
