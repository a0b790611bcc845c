import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escaped, jsonMarkup, markup } from './markup.ts';
import { hostileText } from './testing/hostile.ts';

describe('markup', () => {
  it('takes what is put in for text', () => {
    expect(markup`<p title="${'"><script>'}">${'a < b & c'}</p>`.toString()).toBe(
      '<p title="&quot;&gt;&lt;script&gt;">a &lt; b &amp; c</p>',
    );
  });

  it('puts markup into markup, lists and all, and leaves nothing for null', () => {
    expect(markup`<ul>${[1, 2].map((one) => markup`<li>${one}</li>`)}</ul>${null}${false}`.toString()).toBe(
      '<ul><li>1</li><li>2</li></ul>',
    );
  });

  it('leaves nothing that a parser takes for anything but text', () => {
    fc.assert(
      fc.property(hostileText(), (text) => {
        expect(escaped(text)).not.toMatch(/[<>"'`]|&(?!(?:amp|lt|gt|quot|#39|#96);)/);
      }),
    );
  });

  it('shows characters that turn text around or are none', () => {
    expect(escaped('a\u202Eb\u0000c\uD800d\n')).toBe('a\\u202eb\\u0000c\\ud800d\n');
  });
});

describe('JSON in a page', () => {
  it('never ends the element, and is read back as it was', () => {
    fc.assert(
      fc.property(fc.array(hostileText()), (texts) => {
        const text = jsonMarkup(texts).toString();
        expect(text).not.toMatch(/[<>&]/);
        expect(JSON.parse(text)).toEqual(texts);
      }),
    );
  });
});
