import type { GatewayAllowedListenersNamespacesSelector } from '#crds';

/** Whether a `metav1.LabelSelector` selects these labels. An empty selector selects everything. */
export function selects(selector: GatewayAllowedListenersNamespacesSelector, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const label = Object.hasOwn(labels, key) ? labels[key] : undefined;
      switch (operator) {
        case 'In':
          return label !== undefined && values.includes(label);
        case 'NotIn':
          return label === undefined || !values.includes(label);
        case 'Exists':
          return label !== undefined;
        case 'DoesNotExist':
          return label === undefined;
        default:
          // Kubernetes refuses the object; whoever gets here anyway must not be let in.
          return false;
      }
    })
  );
}

/** Whether a Service's selector picks a Pod's labels. */
export function matchesLabels(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}
