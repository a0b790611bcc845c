import { expect, test } from 'vitest';
import { createStorage, isStorageUrl } from '../create-storage.ts';
import { parseS3Url } from './s3-url.ts';
import { escapeXml, textOf, textsOf } from './xml.ts';

test('an S3 URL says where the bucket is and how to get in', () => {
  expect(parseS3Url(new URL('s3://key:se%2Fcret%3D@host:9000/music?region=eu-west-3&tls=0'))).toEqual({
    origin: 'http://host:9000',
    bucket: 'music',
    region: 'eu-west-3',
    accessKeyId: 'key',
    secretAccessKey: 'se/cret=',
  });
  expect(parseS3Url(new URL('s3://key:secret@s3.example.com/music'))).toMatchObject({
    origin: 'https://s3.example.com',
    region: 'us-east-1',
  });
});

test.each([
  's3://host/music',
  's3://key:secret@host',
  's3://key:secret@host/UPPER',
  's3://key:secret@host/music/deeper',
  's3://key:secret@host/music?tls=yes',
  's3://key:secret@host/music?region=a%20b',
  'https://key:secret@host/music',
  'file://host/folder',
  'music',
])('%s is refused without being repeated', (url) => {
  expect(isStorageUrl(url)).toBe(false);
  expect(() => createStorage(url)).toThrow(TypeError);
  expect(() => createStorage(url)).not.toThrow('secret@');
});

test('the texts of elements are read out of XML, and written into it', () => {
  const xml = '<L><C><Key>a&amp;b</Key></C><C><Key>&lt;&#233;&#x1F3B5;&gt;</Key></C><Key><x/></Key><Empty></Empty></L>';
  expect(textsOf(xml, 'Key')).toEqual(['a&b', '<é🎵>']);
  expect(textOf(xml, 'Empty')).toBe('');
  expect(textOf(xml, 'Missing')).toBeNull();
  expect(textsOf('<Key>&#x110000;&nope;</Key>', 'Key')).toEqual(['&#x110000;&nope;']);
  expect(textOf(`<a>${escapeXml('"1&2<3"')}</a>`, 'a')).toBe('"1&2<3"');
});
