export { provisionedAddresses } from './addresses.ts';
export { labelValue } from './names.ts';
export { createProvisioner, gatewayOf, type Provisioner } from './provisioner.ts';
export { ipFamilyPolicies, provision, type Manifest, type ProvisionConfig } from './template.ts';
