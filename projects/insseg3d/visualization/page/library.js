// Loads three.js from the page, which contains it as compressed modules that import each other.
async function loadThree() {
  const text = (id) => {
    const packed = new Blob([bytesOf(document.getElementById(id).textContent)]);
    return new Response(packed.stream().pipeThrough(new DecompressionStream('gzip'))).text();
  };
  const address = (code) => URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const core = address(await text('three-core'));
  const main = address((await text('three-module')).replaceAll('"./three.core.min.js"', `"${core}"`));
  const controls = address((await text('three-controls')).replace("from 'three'", `from '${main}'`));
  return { ...await import(main), ...await import(controls) };
}
