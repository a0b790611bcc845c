import { describe, expect, test } from 'vitest';
import { parsePath } from '../core/spec/mistake.ts';
import { locator } from './locate.ts';

const IMPORT = "import { definePlatform } from 'veza-deploy';\n";
const at = (source: string, path: string): string | null => {
  const place = locator(source)(parsePath(path));
  return place === null ? null : `${place.line}:${place.column}`;
};

describe('a declaration written as literals', () => {
  const source = `${IMPORT}export default definePlatform({
  name: 'shop',
  services: {
    api: {
      run: 'x', dependencies: ['web', 'db'],
      'health': { path: '/x' },
    },
  },
});
`;

  test.each([
    ['name', '3:3'],
    ['services', '4:3'],
    ['services.api', '5:5'],
    ['services.api.run', '6:7'],
    ['services.api.dependencies[1]', '6:39'],
    ['services.api.health.path', '7:19'],
  ])('%s stands at %s', (path, place) => {
    expect(at(source, path)).toBe(place);
  });

  test('a key that is not there stands where it is missing', () => {
    expect(at(source, 'services.api.source')).toBe('5:5');
    expect(at(source, 'environments')).toBe('2:16');
  });

  test('nothing stands inside of what is not there, or is no object', () => {
    expect(at(source, 'services.web.run')).toBeNull();
    expect(at(source, 'services.api.run.x')).toBeNull();
    expect(at(source, 'services.api.dependencies[7]')).toBeNull();
  });
});

describe('a declaration made of parts', () => {
  test('constants of the file are followed', () => {
    const source = `${IMPORT}const health = { path: 'x' };
const api = { run: 'x', health };
const platform = definePlatform({ services: { api, mail: api } });
export default platform;
`;
    expect(at(source, 'services.api.health.path')).toBe('2:18');
    expect(at(source, 'services.mail.run')).toBe('3:15');
  });

  test('a renamed definePlatform is known, another function is not', () => {
    const source = (callee: string): string =>
      `import { definePlatform as define } from 'veza-deploy';\nimport { ${callee === 'define' ? 'x' : callee} } from './x.ts';\nexport default ${callee}({ name: 'a' });\n`;
    expect(at(source('define'), 'name')).toBe('3:25');
    expect(at(source('other'), 'name')).toBeNull();
  });

  test('a plain object is a platform, too', () => {
    expect(at("export default { name: 'a' };", 'name')).toBe('1:18');
  });
});

describe('where the value may come from elsewhere there is no place', () => {
  test.each([
    ['a spread behind the key', 'export default { name: 1, ...more };', 'name'],
    ['a spread and no key', 'export default { ...more };', 'name'],
    ['a computed key behind', "export default { name: 1, ['na' + 'me']: 2 };", 'name'],
    ['a getter', 'export default { get name() { return 1; } };', 'name'],
    ['a call', 'export default { services: make() };', 'services.api'],
    ['a condition', 'export default { services: a ? { api: 1 } : { api: 2 } };', 'services.api'],
    ['an imported value', "import { api } from './api.ts';\nexport default { services: { api } };", 'services.api.run'],
    ['a spread in a list', 'export default { list: [...a, 1] };', 'list[0]'],
    ['a variable', 'let api = { run: 1 };\nexport default { services: { api } };', 'services.api.run'],
    [
      'a constant that is changed',
      'const api = { run: 1 };\napi.run = 2;\nexport default { services: { api } };',
      'services.api.run',
    ],
    [
      'a constant that is handed out',
      'const api = { run: 1 };\nchange(api);\nexport default { services: { api } };',
      'services.api.run',
    ],
    [
      'a constant that is changed by name',
      'const api = { run: 1 };\nObject.assign(api, { run: 2 });\nexport default { services: { api } };',
      'services.api.run',
    ],
    ['a class', 'export default class {}', 'name'],
    ['no default export', 'export const name = 1;', 'name'],
    ['what this parser cannot read', 'export default {', 'name'],
  ])('%s', (_, source, path) => {
    expect(at(source, path)).toBeNull();
  });

  test('but a key behind a spread is certain', () => {
    expect(at('export default { ...more, name: 1 };', 'name')).toBe('1:27');
  });

  test('and of a key that stands there twice, the last counts', () => {
    expect(at('export default { name: 1, name: 2 };', 'name')).toBe('1:27');
  });
});
