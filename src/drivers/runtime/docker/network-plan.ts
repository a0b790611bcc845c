/** How instances are reached. */
export type NetworkPlan =
  /** The environment's own bridge network, `10.213.0.0/24`; its first address is this machine. */
  | { readonly kind: 'bridge'; readonly subnet: string }
  /** Ports of the Docker host, which has this address; `machine` is where instances find this machine. */
  | { readonly kind: 'published'; readonly address: string; readonly machine: string };
