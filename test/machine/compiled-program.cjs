/**
 * Preloaded by stand-ins and by ours (compile-cache.ts): compiles the program with what V8 had
 * compiled of it two seconds after an earlier start. Node's own cache keeps what is compiled when a
 * file is loaded, before any of it has run: that is a tenth (MaybeSave in node's compile_cache.cc).
 * It stands beside the program, and goes with it.
 */
const { readFileSync, renameSync, statSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { dirname } = require('node:path');
const { cachedDataVersionTag } = require('node:v8');
const { Script } = require('node:vm');

/** Called by Node for each file of CommonJS; tools have replaced it for as long as there is Node. */
const compiling = '_compile';
const compile = Module.prototype[compiling];
const headBytes = 100;

Module.prototype[compiling] = function compileProgram(content, filename, ...more) {
  if (this.id !== '.') return compile.call(this, content, filename, ...more);
  // Each mode of a program runs other parts of it.
  const mode = /^--mode=\w+|^--[\w-]+/.exec(process.argv[2] ?? '')?.[0] ?? '';
  const file = `${filename}${mode}.compiled`;
  const { size, mtimeMs } = statSync(filename);
  // V8 itself compares its version, its flags, and of the source only the length.
  const head = Buffer.from(`${cachedDataVersionTag()} ${size} ${mtimeMs}`.padEnd(headBytes));
  const cachedData = readCompiled(file, head);
  const source = Module.wrap(content.replace(/^#!.*/, ''));
  const script = new Script(source, { filename, cachedData });
  if (cachedData === undefined) setTimeout(() => keep(script, file, head), 2_000).unref();
  const require = Module.createRequire(filename);
  return Reflect.apply(script.runInThisContext(), this.exports, [
    this.exports,
    require,
    this,
    filename,
    dirname(filename),
  ]);
};

function readCompiled(file, head) {
  try {
    const bytes = readFileSync(file);
    return bytes.subarray(0, headBytes).equals(head) ? bytes.subarray(headBytes) : undefined;
  } catch {
    return undefined;
  }
}

function keep(script, file, head) {
  // Others of the program that began as we did may have been first.
  if (readCompiled(file, head) !== undefined) return;
  // Not by its process id: in namespaces of their own several have the same.
  const whole = `${file}.${require('node:crypto').randomUUID()}`;
  try {
    writeFileSync(whole, Buffer.concat([head, script.createCachedData()]));
    // In one piece: somebody may be about to read it.
    renameSync(whole, file);
  } catch {
    // The folder may be gone, or not ours: then it only stays slow.
  }
}
