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
  const lines = [`everything new is sealed under ${state.current}, from ${where}`]
  if (state.next !== undefined) lines.push(`${state.next} is known, and not used yet: key-secret rotate goes on`)
  if (state.old !== undefined) {
    lines.push(`${state.left} are still sealed under ${state.old}`)
    lines.push(
      state.outdated
        ? 'this process has the old secret: set the new one on every node, restart them, then key-secret finish'
        : 'once every node has the new secret: key-secret finish, which forgets the old one',
    )
  }
  if (state.next === undefined && state.old === undefined) lines.push('no change of it is under way')
  cli.show(state, `${lines.join('\n')}\n`)
}
