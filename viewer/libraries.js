// What the map takes from three.js and d3: `make viewer` bundles it into src/vidatlas/views/map/libraries.min.js.
export {
  BufferAttribute, BufferGeometry, CustomBlending, DataTexture, GLSL3, OneFactor, OneMinusSrcAlphaFactor, OrthographicCamera,
  Points, RawShaderMaterial, Scene, Vector2, WebGLRenderer,
} from "three";
export { hsl } from "d3-color";
export { select } from "d3-selection";
export { zoom, zoomIdentity, zoomTransform } from "d3-zoom";
