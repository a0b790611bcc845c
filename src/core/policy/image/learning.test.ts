import { describe, expect, it } from 'vitest';
import { familyOf, learningByPath, learningInContent, modelByHead } from './learning.ts';

describe('the name of a package', () => {
  it.each([
    'torch',
    'Torch',
    'torch_geometric',
    'torchvision',
    'tensorflow',
    'TensorFlow_CPU',
    'keras',
    'onnx',
    'onnxruntime',
    'onnxruntime-gpu',
    'onnxruntime-node',
    'jax',
    'jaxlib',
    'transformers',
    'scikit-learn',
    'scikit_learn',
    'scikit.learn',
    'xgboost',
    'lightgbm',
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-node',
    '@huggingface/transformers',
    '@xenova/transformers',
    'python3-torch',
    'python3-sklearn',
    'tch',
    'candle-core',
    'burn-core',
    'gorgonia.org/gorgonia',
    'nvidia-cudnn-cu12',
    'sentence-transformers',
    'llama-cpp-python',
    'tflite-runtime',
  ])('%s is of machine learning', (name) => {
    expect(familyOf(name)).not.toBeNull();
  });
  it.each([
    'torchlight',
    'flaxseed',
    'react',
    'fastify',
    'pino',
    'kerastase',
    'jaxb-api',
    'onion',
    'transform',
    '@types/node',
    'kysely',
    'burn',
    'sort',
    'port',
    'tesseract-wasm',
    'sklearnish',
    'lib',
    'node',
    '@tensorflow',
    'xgb',
  ])('%s is not', (name) => {
    expect(familyOf(name)).toBeNull();
  });
});

describe('a path', () => {
  it.each([
    'usr/lib/python3/dist-packages/torch/__init__.py',
    'opt/venv/lib/python3.12/site-packages/TORCH/version.py',
    'srv/x/site-packages/torch-2.6.0.dist-info/METADATA',
    'srv/wheels/torch-2.6.0-cp312-cp312-manylinux1_x86_64.whl',
    'opt/hidden/nn/modules/transformer.py',
    'app/node_modules/@tensorflow/tfjs/package.json',
    'app/node_modules/a/node_modules/onnxruntime-node/bin/x',
    'usr/lib/x86_64-linux-gnu/libonnxruntime.so.1.20.1',
    'usr/local/lib/libtorch_cpu.so',
    'app/public/tf.min.js',
    'app/public/ort-wasm-simd-threaded.wasm',
    'root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tch-0.17.0/src/lib.rs',
    'go/pkg/mod/gorgonia.org/gorgonia@v0.9.18/graph.go',
    'data/weights.SAFETENSORS',
    'data/model.onnx.part2',
    'data/model.gguf.aa',
    'data/ranking.tflite.gz',
  ])('%s is of machine learning', (path) => {
    expect(learningByPath(path, 10, false)).not.toBeNull();
  });
  it.each([
    'app/main.js',
    'usr/lib/locale/pt/messages.pt',
    'app/node_modules/vite/dist/node/chunks/x.js',
    'app/node_modules/countries/tf.js',
    'usr/lib/libc.so.6',
    'app/node_modules/pino/lib/transport.js',
    'usr/share/keras.txt',
    'app/model.ts',
    'app/schema.pb',
    'app/x.pth',
    'app/model.onnx.js',
    'app/plan.bin',
  ])('%s is not', (path) => {
    expect(learningByPath(path, 10, false)).toBeNull();
  });
});

describe('the content of a file', () => {
  it.each([
    ['x.bin', `GGUF\u0003\0\0\0`],
    ['x.dat', `\u0018\0\0\0TFL3`],
    ['x.dat', `\u0040\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[1]}}`],
    ['x.dat', '\u0008\u0008\u0012\u0007pytorch\u001a'],
    ['x.pkl', '\u0080\u0004\u0095\0\0csklearn.ensemble._forest\nRandomForestClassifier'],
    ['weights.pt', 'PK\u0003\u0004\0\0'],
  ])('says that %s is a model whatever it is called', (path, head) => {
    expect(modelByHead(path, head)).not.toBeNull();
  });
  it.each([
    ['messages.pt', '<html xmlns:tal="http://xml.zope.org/namespaces/tal">'],
    ['x.pth', 'import sys; sys.path.append("x")'],
    ['x.png', '\u0089PNG\r\n\u001a\n\0\0'],
    ['x.json', '{"dtype": 1}'],
  ])('says nothing of %s', (path, head) => {
    expect(modelByHead(path, head)).toBeNull();
  });
  it('gives compiled and bundled code away', () => {
    expect(learningInContent('...\0OrtGetApiBase\0...')).toHaveLength(1);
    expect(learningInContent('// node_modules/@tensorflow/tfjs-core/dist/engine.js\n')).toHaveLength(1);
    expect(learningInContent('/root/.cargo/registry/src/index/candle-core-0.8.0/src/tensor.rs')).toHaveLength(1);
    expect(learningInContent('// node_modules/fastify/lib/reply.js\n')).toEqual([]);
  });
});
