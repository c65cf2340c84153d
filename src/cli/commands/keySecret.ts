import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import { readSecret } from '../inputFile.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/keySecret.ts'

type State = Output<typeof operations.show>

/** The key under which all others are sealed: key.secret, or COUNTERSIGN_KEY_SECRET. */
export function define(keySecret: Command): void {
  action(keySecret.command('show').description('which key seals, and how far a change of it is'), async (cli) =>
    show(cli, await cli.call(operations.show, {})),
  )
  action(
    keySecret
      .command('rotate')
      .description('seal everything under a new key; after an interruption it goes on')
      .option(
        '--new-secret-file <file>',
        'the next COUNTERSIGN_KEY_SECRET in the first line of a file, where the key comes from there',
      )
      .option('--keep-old', 'do not finish: other nodes have to be given the new key first'),
    rotate,
  )
  action(
    keySecret
      .command('finish')
      .description('forget the old key, once nothing is sealed under it and every node has the new one'),
    async (cli) => show(cli, await finish(cli)),
  )
}

async function rotate(
  cli: Cli,
  { newSecretFile, keepOld }: { newSecretFile?: string; keepOld?: boolean },
): Promise<void> {
  const before = await cli.call(operations.show, {})
  const resumed = before.next !== undefined || before.old !== undefined
  if (resumed) cli.note('a change of the key was begun before: going on with it')
  const secret = resumed || newSecretFile === undefined ? undefined : readSecret(newSecretFile)
  const state = await cli.call(operations.begin, secret === undefined ? {} : { secret })
  if (state.wait) {
    cli.note(`every node learns the new key first: ${Math.ceil(state.wait / 1000)} s`)
    await delay(state.wait)
  }
  await cli.call(operations.activate, {})
  const resealed = await resealAll(cli)
  cli.note(`${resealed} keys and secrets are sealed under the new key`)
  // Where the old key stands outside of this folder, or other nodes may have it, somebody has to bring them the new one first.
  const alone = cli.settings().databaseUrl === undefined && state.source === 'file'
  show(cli, !keepOld && alone ? await finish(cli) : await cli.call(operations.show, {}))
}

async function resealAll(cli: Cli): Promise<number> {
  let all = 0
  for (;;) {
    let cursor: { column: number; id: number } | undefined
    let found = 0
    do {
      const done = await cli.call(operations.reseal, cursor === undefined ? {} : { cursor })
      found += done.resealed
      cursor = done.next
    } while (cursor)
    all += found
    // What another node sealed under the old key meanwhile is found by the next pass.
    if (found === 0) return all
  }
}

async function finish(cli: Cli): Promise<State> {
  const state = await cli.call(operations.finish, {})
  if (state.left === 0) return state
  await resealAll(cli)
  return cli.call(operations.finish, {})
}

function show(cli: Cli, state: State): void {
  const where = state.source === 'file' ? 'key.secret' : 'COUNTERSIGN_KEY_SECRET'
  const lines = [`everything new is sealed under ${state.current}, from ${where}`, ...told(state)]
  cli.show(state, `${lines.join('\n')}\n`)
}

const again =
  'unless key-secret rotate runs somewhere now, it was broken off: run key-secret rotate again, it goes on there'

/** How far a change of the key is, and what is next. */
export function told({ next, old, left, outdated, source }: State): string[] {
  if (next !== undefined) return [`a change to ${next} was begun, and nothing is sealed under that yet`, again]
  if (old === undefined) return ['no change of it is under way']
  if (left > 0)
    return [`a change was begun, and ${left} keys and secrets are still sealed under the old one, ${old}`, again]
  const done = `everything is sealed anew, and the old one, ${old}, is not forgotten yet`
  if (!outdated) return [done, 'once every node has the new secret: key-secret finish, which forgets the old one']
  return [
    done,
    source === 'file'
      ? 'key.secret here is the old file: bring the new one to every node, then key-secret finish'
      : 'this process has the old secret: set the new one on every node, restart them, then key-secret finish',
  ]
}
