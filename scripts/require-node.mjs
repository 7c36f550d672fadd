// Plain JavaScript for any Node: ends with a clear word where the tests could only fail in an unclear way.
const required = 26;
if (Number(process.versions.node.split('.')[0]) < required) {
  process.stderr.write(
    `Weft needs Node ${required}; this is Node ${process.versions.node}.\n` +
      `Run 'npm ci' without --omit=optional (it installs a Node ${required} for this project alone), or install Node ${required} or newer.\n`,
  );
  process.exit(1);
}
