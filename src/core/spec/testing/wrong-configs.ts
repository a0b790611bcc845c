import { WRONG_ANALYSES } from './wrong-analyses.ts';
import { WRONG_EDGES } from './wrong-edges.ts';
import type { WrongConfig } from './wrong-config.ts';
import { WRONG_ENVIRONMENTS } from './wrong-environments.ts';
import { WRONG_RELATIONS } from './wrong-relations.ts';
import { WRONG_SERVICES } from './wrong-services.ts';

/** Every kind of fault that is tested. */
export const WRONG_CONFIGS: readonly WrongConfig[] = [
  ...WRONG_SERVICES,
  ...WRONG_RELATIONS,
  ...WRONG_ENVIRONMENTS,
  ...WRONG_EDGES,
  ...WRONG_ANALYSES,
];
