import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Operation } from '../../protocols/ra/operation.ts'
import { operations } from '../../protocols/ra/operations.ts'
import { keyOf, tryRow, unknownTo } from '../authorization/matrix.ts'
import { expected } from '../authorization/need.ts'
import { authorizationPage, PAGE, rowOf } from '../authorization/page.ts'
import { roleNames } from '../authorization/role.ts'
import { rows } from '../authorization/rows/all.ts'
import { createScene, type Scene } from '../authorization/scene.ts'
import { useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const tags = [...new Set(operations.map(({ tag }) => tag))]

describe('the table of docs/authorization.md', () => {
  it('has every operation of the API, and no other', () => {
    for (const operation of operations) expect(rowOf(operation).needs).toBeTruthy()
    const known = new Set(operations.map(keyOf))
    expect(Object.keys(rows).filter((key) => !known.has(key))).toEqual([])
  })

  it('has somebody who is let in for each, and says why where nothing succeeds', () => {
    for (const operation of operations) {
      const row = rowOf(operation)
      const cells = Object.values(expected(row, operation.method))
      expect([keyOf(operation), cells.includes('yes')]).toEqual([keyOf(operation), true])
      expect([keyOf(operation), row.answers === undefined || row.note !== undefined]).toEqual([keyOf(operation), true])
    }
  })

  it('is on the page (npm run docs:authorization)', () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(authorizationPage())
  })
})

describe('every operation by everybody', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await createScene(used.app)
  })

  it('would find what a stranger must not be told', async () => {
    const operation = { method: 'get', path: '/v1/raProfiles/{raProfileUuid}' } as Operation
    const path = `/v1/raProfiles/${scene.open.profile}`
    const { headers } = await used.app.call('get', path)
    const told = (text: string, status = 200) =>
      unknownTo(scene, operation, {
        got: 'yes',
        sent: { path, headers: {} },
        called: { status, headers, text, json: {} },
      })
    scene.ours.add(scene.asks.profile)
    expect(await told('[]')).toBeUndefined()
    expect(await told('{"name":"inner-asks"}')).toContain('is told of inner-asks')
    expect(await told(`["${scene.asks.profile}"]`)).toContain('is told of')
    expect(await told(scene.open.profile)).toBeUndefined()
    expect(await told('{"message":"it is not yours"}', 404)).toContain('there is no such RA profile')
  })

  it.each(tags)('%s', async (tag) => {
    const wrong: string[] = []
    for (const operation of operations.filter((one) => one.tag === tag)) {
      const row = rowOf(operation)
      const wanted = expected(row, operation.method)
      const cells = await tryRow(scene, operation, row)
      for (const role of roleNames) {
        const { got, called, sent } = cells[role]
        if (got !== wanted[role])
          wrong.push(
            `${keyOf(operation)} by ${role}: expected ${wanted[role]}, got ${got}: ${sent.path} ${called.text}`,
          )
      }
      const leak = row.needs === 'open' ? undefined : await unknownTo(scene, operation, cells.stranger)
      if (leak !== undefined) wrong.push(`${keyOf(operation)} by a stranger: ${leak}`)
    }
    expect(wrong).toEqual([])
  })
})
