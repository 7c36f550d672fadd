/** The C library, for what Node has no interface to. Undefined where it can't be called: not on Linux, or no koffi. */
export async function openLibc() {
  if (process.platform !== 'linux') return undefined;
  try {
    const { default: koffi } = await import('koffi');
    return koffi.load(null);
  } catch {
    return undefined;
  }
}
