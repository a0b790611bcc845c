// Writes the table of operations and phases into docs/rollout-verified.md from the rules that the rollout obeys.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withTable } from '../src/core/rollout/testing/operations-table.ts';

const path = join(import.meta.dirname, '../docs/rollout-verified.md');
writeFileSync(path, withTable(readFileSync(path, 'utf8')));
