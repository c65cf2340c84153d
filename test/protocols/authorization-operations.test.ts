import { beforeAll, describe, expect, it } from 'vitest'
import { tryRow, unknownTo } from '../authorization/matrix.ts'
import { expected } from '../authorization/need.ts'
import { nameOf, operations, overHttps, rowOfOperation } from '../authorization/operations/call.ts'
import { operationRows } from '../authorization/operations/rows.ts'
import { roleNames } from '../authorization/role.ts'
import { createScene, type Scene } from '../authorization/scene.ts'
import { useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const nouns = [...new Set(operations.map(({ tag }) => tag))]

describe('the operations of the command line in docs/authorization.md', () => {
  it('are all that there are, and no other', () => {
    expect(Object.keys(operationRows).sort()).toEqual(operations.map(nameOf).sort())
  })
})

describe('every operation by everybody', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = overHttps(await createScene(used.app))
  })

  it.each(nouns)('%s', async (noun) => {
    const wrong: string[] = []
    for (const operation of operations.filter(({ tag }) => tag === noun)) {
      const name = nameOf(operation)
      const row = rowOfOperation(operation)
      const wanted = expected(row, operation.method)
      const cells = await tryRow(scene, operation, row)
      for (const role of roleNames) {
        const { got, called, sent } = cells[role]
        if (got !== wanted[role])
          wrong.push(
            `${name} by ${role}: expected ${wanted[role]}, got ${got}: ${sent.body} ${called.text.slice(0, 300)}`,
          )
      }
      const leak = await unknownTo(scene, operation, cells.stranger)
      if (leak !== undefined) wrong.push(`${name} by a stranger: ${leak}`)
    }
    expect(wrong).toEqual([])
  })
})
