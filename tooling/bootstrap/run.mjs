// What `npm start`, `npm test` and `npm run demo:web` run, from a fresh clone on: install if needed, build what the
// command needs, run it. Assumes Node and npm only, so it uses nothing that Node does not bring. pnpm is the one that started this script or
// comes through npx, in the version package.json pins; once installed it is a dev dependency, where turbo finds it.
// What to build and what is still up to date is left to turbo.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clearTestLogs, countTests } from './count-tests.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { engines, packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Runs a program and gives its exit status. With `notice` it is quiet: one line if it takes longer than a second, its
 *  output only if it fails. */
function run(program, args, { cwd = root, shell = false, notice } = {}) {
  const quiet = notice !== undefined;
  const timer = quiet && setTimeout(() => console.error(notice), 1000);
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd, shell, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    // Ctrl-C on a terminal reaches the child by itself: only wait for its ending. Any other sender means this process.
    const forward = (signal) => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal));
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.on('error', fail);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.off('SIGINT', forward).off('SIGTERM', forward);
      const status = code ?? 128 + constants.signals[signal];
      if (status !== 0) process.stderr.write(Buffer.concat(output));
      done(status);
    });
  });
}

function checkNode() {
  const [major, minor] = engines.node.match(/\d+/g).map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return 0;
  console.error(
    `[flashmla] Node ${process.versions.node} runs this, Node ${engines.node} is needed. Install a newer one and try again.`,
  );
  return 1;
}

/** Installs what the lock file says, unless the last install did so from the same lock file on this platform. */
async function install() {
  const stampFile = join(root, 'node_modules/.installed-from');
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex');
  const stamp = `${process.platform}-${process.arch} ${lockHash}`;
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return 0;

  const args = ['install', '--frozen-lockfile', '--config.confirmModulesPurge=false'];
  const notice = 'Installing dependencies ...';
  const { npm_config_user_agent: agent = '', npm_execpath: pnpm = '' } = process.env;
  let status;
  if (!agent.startsWith(`${packageManager.replace('@', '/')} `)) {
    // One command line through the shell, because npx is a .cmd file on Windows.
    status = await run(['npx', '--yes', packageManager, ...args].join(' '), [], { shell: true, notice });
  } else if (/\.[cm]?js$/.test(pnpm)) {
    status = await run(process.execPath, [pnpm, ...args], { notice });
  } else {
    status = await run(pnpm, args, { notice });
  }
  if (status === 0) writeFileSync(stampFile, stamp);
  return status;
}

/** turbo is started through its JavaScript entry, which needs no shell on any platform. */
function turbo(args, options) {
  return run(process.execPath, [join(root, 'node_modules/turbo/bin/turbo'), 'run', ...args], options);
}

const build = (...filters) => turbo(['build', ...filters], { notice: 'Building ...' });

const commands = {
  install,

  async start(args) {
    const status = (await install()) || (await build('--filter=@flashmla/demo...'));
    // npm and pnpm change to the root; a relative file among the arguments is meant from where the user stands.
    const { INIT_CWD: cwd = process.cwd() } = process.env;
    return status || run(process.execPath, [join(root, 'apps/demo/dist/main.js'), ...args], { cwd });
  },

  async 'demo:web'(args) {
    const status = (await install()) || (await build('--filter=@flashmla/demo-web^...'));
    const cwd = join(root, 'apps/demo-web');
    return status || run(process.execPath, [join(cwd, 'node_modules/vite/bin/vite.js'), ...args], { cwd });
  },

  async test(args) {
    const ready = (await install()) || (await build());
    if (ready) return ready;
    clearTestLogs(root);
    // A core each: the largest suites are one file, which vitest by itself would leave all other cores idle for.
    process.env.VITEST_MAX_WORKERS ??= '1';
    const status = await turbo(['test', '--continue', '--log-order=grouped', '--log-prefix=none', ...args]);
    const { passed, failed, skipped } = countTests(root);
    // A run can fail without a failed test (a package without tests): the line must not look clean then.
    console.log(`\n${passed} passed, ${status === 0 ? failed : Math.max(failed, 1)} failed, ${skipped} skipped`);
    return status;
  },
};

// turbo runs scripts through the pnpm it finds on the path.
process.env.PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`;
process.env.TURBO_TELEMETRY_DISABLED = '1';
// In the key of turbo's cache (turbo.json: FLASHMLA_*): a test passes on the Node that ran it, not on every Node.
process.env.FLASHMLA_NODE = process.version;

const [name, ...args] = process.argv.slice(2);
if (args[0] === '--') args.shift(); // npm takes it away, pnpm does not
process.exitCode = checkNode() || (await commands[name](args));
