// What `import … from 'veza-deploy'` gives to a veza.config.ts.
export { address, definePlatform, secret } from './core/spec/declaration.ts';
export type {
  HealthDeclaration,
  EnvironmentDeclaration,
  PlatformDeclaration,
  ResourceDeclaration,
  ServiceDeclaration,
  ServiceOverride,
  StrategyDeclaration,
} from './core/spec/declaration.ts';
