import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineFile } from './line-file.ts';

describe('a file of lines', () => {
  let folder: string;
  let file: string;
  let lines: string[];
  const take = (line: string): void => {
    if (line !== '') lines.push(line);
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'veza-lines-'));
    file = path.join(folder, 'x.log');
    lines = [];
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is read in whole lines, each once, also by who comes later', async () => {
    const first = await LineFile.open('x.log', file, null);
    await appendFile(file, 'one\ntw');
    await first.read(take);
    expect(lines).toEqual(['one']);
    const { place } = first;
    await first.close();
    await appendFile(file, 'o\nthree\n');
    const second = await LineFile.open('x.log', file, place);
    await second.read(take);
    expect(lines).toEqual(['one', 'two', 'three']);
    await second.close();
  });

  it('is read from the beginning when the place is of another file', async () => {
    await appendFile(file, 'one\n');
    const reader = await LineFile.open('x.log', file, { name: 'y.log', offset: 2, givenBack: 0 });
    await reader.read(take);
    expect(lines).toEqual(['one']);
    await reader.close();
  });

  it('gives its room back while it is written to, and no line is lost', async () => {
    const reader = await LineFile.open('x.log', file, null);
    const much = `${'x'.repeat(999)}\n`.repeat(40_000);
    await appendFile(file, much);
    await reader.read(take);
    const before = (await stat(file)).blocks;
    await appendFile(file, 'behind\n');
    expect(await reader.giveBack(reader.place.offset)).toBeNull();
    expect((await stat(file)).blocks).toBeLessThan(before / 2);
    await reader.read(take);
    expect(lines).toHaveLength(40_001);
    expect(lines.at(-1)).toBe('behind');
    const { place } = reader;
    await reader.close();
    lines = [];
    const later = await LineFile.open('x.log', file, null);
    await later.read(take);
    expect(lines.at(-1)).toContain('behind');
    expect(place.givenBack).toBe(much.length);
    await later.close();
  });
});
