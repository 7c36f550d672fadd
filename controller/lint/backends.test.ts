import test from 'ava';
import { translateYaml } from '../testing.ts';

test("a namespace's inject label that is neither of its words is a warning", (t) => {
  const problems = (value: string): readonly string[] =>
    translateYaml(`apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { weft-mesh.io/inject: "${value}" } }\n`).problems.map(({ severity, path, message }) => `${severity} ${path.join(' ')}: ${message}`);
  t.deepEqual(problems('true'), ['warning metadata labels weft-mesh.io/inject: true means nothing: Pods get no sidecar; write enabled or disabled']);
  t.deepEqual([...problems('enabled'), ...problems('disabled')], []);
});
