// What the guide's section 14.3 bans, as data: "no Docker image contains a framework of machine learning (TensorFlow, PyTorch,
// scikit-learn, ONNX)", and what is the same thing by another name.

export interface Family {
  readonly family: string;
  /** Names of packages in any registry, as `normalName` writes them; a trailing `*` stands for anything. */
  readonly packages: readonly string[];
  /** Paths that its own files have, wherever and under whatever name its folder lies. In lower case. */
  readonly paths: readonly RegExp[];
  /** What its compiled or bundled code contains. In lower case. */
  readonly marks: readonly string[];
}

const family = (name: string, packages: string, paths: readonly RegExp[], marks: readonly string[] = []): Family => ({
  family: name,
  packages: packages.split(' '),
  paths,
  marks,
});

export const FAMILIES: readonly Family[] = [
  family(
    'PyTorch',
    'torch torch-* torchvision torchaudio torchtext pytorch pytorch-* fastai functorch tch torch-sys libtorch gotch node-libtorch ultralytics timm',
    [
      /(?:^|\/)(?:lib)?(?:torch(?:_(?:cpu|cuda|python|global_deps))?|c10(?:_cuda)?)\.(?:so|dylib|dll|a)/,
      /(?:^|\/)(?:nn\/modules\/transformer\.py|autograd\/grad_mode\.py|_inductor\/compile_fx\.py)$/,
      /(?:^|\/)(?:libtorch|pytorch|torch)\/(?:lib|__init__\.py)/,
    ],
    [
      'at::native::',
      '_zn2at6native',
      'torch::autograd',
      '_zn5torch8autograd',
      'torch_sys::',
      '/tch-0.',
      'github.com/sugarme/gotch',
      'c10::impl',
    ],
  ),
  family(
    'TensorFlow',
    'tensorflow tensorflow-* tensorflowjs tfjs tf-keras tf-nightly* tflite tflite-* tflitec ai-edge-litert @tensorflow/* @tensorflow-models/* keras keras-* tfgo tract-tensorflow',
    [
      /(?:^|\/)(?:lib)?tensorflow(?:_framework|_cc|lite\w*|js\w*)?\.(?:so|dylib|dll|a)/,
      /(?:^|\/)(?:lib)?tensorflowlite[\w-]*\.(?:so|dylib|dll|a|aar)/,
      /(?:^|\/)python\/(?:framework\/ops\.py|_pywrap_tensorflow_internal\.\w+|keras\/engine\/training\.py)$/,
      /(?:^|\/)(?:tensorflow|keras)\/__init__\.pyc?$/,
      /(?:^|\/)saved_model\.pb(?:txt)?$/,
      /(?:^|\/)(?:tf(?:\.es20\d\d)?\.min|tfjs(?:-(?:core|backend-\w+|layers|converter|data))?(?:\.es20\d\d)?(?:\.node)?(?:\.min)?)\.js$/,
    ],
    [
      'tf_loadsessionfromsavedmodel',
      'tf_newsession',
      'tfliteinterpretercreate',
      'node_modules/@tensorflow/',
      'github.com/tensorflow/tensorflow',
      'github.com/galeone/tf',
      'tensorflow.js in node.js',
      'tfjs-backend-',
      '/tensorflow-0.',
    ],
  ),
  family(
    'ONNX Runtime',
    'onnx onnx-* onnxruntime onnxruntime-* onnxmltools skl2onnx ort-sys tract-onnx wonnx onnxruntime-go onnx-go',
    [
      /(?:^|\/)(?:lib)?onnxruntime[\w-]*\.(?:so|dylib|dll|a|node|wasm|js|mjs)/,
      /(?:^|\/)capi\/onnxruntime_\w+\.(?:py|so|pyd)/,
      /(?:^|\/)ort(?:-(?:wasm|web|training))?[\w.-]*\.(?:wasm|mjs)$/,
      /(?:^|\/)(?:onnx|onnxruntime)\/__init__\.pyc?$/,
    ],
    [
      'ortgetapibase',
      'ortsessionoptionsappendexecutionprovider',
      'node_modules/onnxruntime-',
      'github.com/yalue/onnxruntime_go',
      'github.com/owulveryck/onnx-go',
      '/ort-sys-',
      '/tract-onnx-',
    ],
  ),
  family(
    'JAX',
    'jax jaxlib jax-* flax optax dm-haiku equinox orbax-checkpoint',
    [
      /(?:^|\/)_src\/lax\/lax\.py$/,
      /(?:^|\/)jaxlib?\/__init__\.pyc?$/,
      /(?:^|\/)(?:xla_extension|_jax)\.(?:so|abi3\.so)$/,
    ],
    ['xla::pjrt'],
  ),
  family(
    'transformers and inference of language models',
    'transformers transformers-* sentence-transformers diffusers peft huggingface-hub tokenizers safetensors vllm llama-cpp-python ctransformers ggml llama-cpp-* llama-cpp node-llama-cpp gpt4all openai-whisper faster-whisper ctranslate2 spacy gensim flair allennlp bitsandbytes deepspeed @huggingface/* @xenova/* @mlc-ai/web-llm @lmstudio/* rust-bert candle-core candle-nn candle-transformers mistralrs* llm-rs ollama',
    [
      /(?:^|\/)(?:lib)?(?:llama|ggml(?:-\w+)?|whisper|ctranslate2)\.(?:so|dylib|dll|a|node)/,
      /(?:^|\/)models\/bert\/modeling_bert\.py$/,
      /(?:^|\/)(?:transformers|diffusers|vllm|sentence_transformers|tokenizers|safetensors)\/__init__\.pyc?$/,
      /(?:^|\/)pytorch_model(?:-\d+-of-\d+)?\.bin$/,
      /(?:^|\/)model(?:-\d+-of-\d+)?\.safetensors/,
    ],
    [
      'llama_model_load',
      'llama_load_model_from_file',
      'ggml_init',
      'ggml_backend_',
      'node_modules/@huggingface/',
      'node_modules/@xenova/',
      '/candle-core-',
      '/candle-nn-',
      '/rust-bert-',
      'github.com/ollama/ollama',
      'github.com/go-skynet/go-llama',
    ],
  ),
  family(
    'scikit-learn',
    'scikit-learn sklearn scikit-learn-* auto-sklearn imbalanced-learn skorch scikitjs linfa linfa-* smartcore rusty-machine rustlearn python3-sklearn python-sklearn python3-sklearn-lib',
    [
      /(?:^|\/)(?:ensemble\/_forest|linear_model\/_base|_loss\/loss|neighbors\/_base)\.py$/,
      /(?:^|\/)sklearn\/__init__\.pyc?$/,
    ],
    ['/linfa-0.', '/smartcore-0.'],
  ),
  family(
    'gradient boosting',
    'xgboost xgboost-* lightgbm lightgbm-* catboost catboost-* lightgbm3',
    [
      /(?:^|\/)(?:lib|lib_)?(?:xgboost4?j?|lightgbm|catboost\w*)\.(?:so|dylib|dll|a)/,
      /(?:^|\/)(?:xgboost|lightgbm|catboost)\/__init__\.pyc?$/,
    ],
    ['xgboostercreate', 'xgdmatrixcreate', 'lgbm_boostercreate'],
  ),
  family(
    'other frameworks of neural networks',
    'mxnet mxnet-* paddlepaddle paddlepaddle-* paddleocr theano caffe caffe2 cntk dlib mindspore openvino openvino-* tensorrt tensorrt-* nvidia-cudnn-* nvidia-cublas-* mlx mlx-* mediapipe @mediapipe/* brain.js synaptic neataptic convnetjs ml5 face-api.js @vladmandic/* nsfwjs burn-core burn-nn burn-tch burn-ndarray burn-wgpu dfdx tract-core tract-nnef gorgonia gonn gorgonia.org/gorgonia gorgonia.org/tensor github.com/sjwhitworth/golearn cuml h2o statsforecast autogluon autogluon-* kornia',
    [
      /(?:^|\/)(?:lib)?(?:mxnet|paddle\w*|caffe2?|cudnn\w*|nvinfer\w*|openvino\w*|mlx|dlib|mediapipe\w*)\.(?:so|dylib|dll|a)/,
      /(?:^|\/)(?:mxnet|paddle|chainer|theano|openvino|tensorrt|mlx|mediapipe|cntk)\/__init__\.pyc?$/,
      /(?:^|\/)(?:brain-browser|ml5|face-api|synaptic|convnet)(?:\.min)?\.js$/,
    ],
    [
      'gorgonia.org/gorgonia',
      'github.com/sjwhitworth/golearn',
      '/burn-core-',
      '/dfdx-0.',
      'node_modules/brain.js/',
      'node_modules/@mediapipe/',
      'createinferruntime_internal',
      'cudnncreate',
    ],
  ),
];

/** Files of models by their ending, split and compressed ones as well. What else has the ending is told apart by its content. */
export const MODEL_ENDING =
  /\.(onnx|ort|safetensors|gguf|ggml|ggjt|tflite|lite|pt2?|pth|torchscript|ptl|pte|h5|hdf5|keras|mlmodelc?|mlpackage|caffemodel|ckpt|params|pdmodel|pdiparams|engine|plan|joblib|xgb|ubj|cbm|nemo|mar|npz)(?:\.(?:(?:part|chunk|split)[-_.]?\w{0,4}|\d{1,4}|a[a-z]|gz|xz|zst|bz2|zip|lz4|br|bak|tmp|old))*$/;

/** Endings that nothing but models has; of others (`.pt` is Portuguese, too) the content must say so. */
export const SURE_MODEL_ENDINGS: ReadonlySet<string> = new Set(
  'onnx safetensors gguf ggml ggjt tflite pt2 torchscript ptl mlmodel mlmodelc mlpackage caffemodel pdmodel pdiparams keras cbm nemo'.split(
    ' ',
  ),
);
