import { MemoryEvidenceStore } from '../../src/store/memory-evidence-store.ts';
import { evidenceContract } from './evidence.suite.ts';

evidenceContract('memory', () => ({
  open: () => new MemoryEvidenceStore(),
  dispose: () => undefined,
  survives: false,
}));
