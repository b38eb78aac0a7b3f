import { describe, expect, it } from 'vitest'
import { readSettings } from '../src/settings.ts'

const least = { DELIVERY_STREAM: 'orders', OVERSIZE_LOCATION: 's3://bucket/over/size/' }

describe('the settings', () => {
  it('are read from the environment', () => {
    expect(readSettings({ ...least, OLD_ATTRIBUTES: '["region", "a,b"]', PASS_THROUGH: 'true' })).toEqual({
      deliveryStream: 'orders',
      oversize: { bucket: 'bucket', prefix: 'over/size/' },
      oldAttributes: ['region', 'a,b'],
      passThrough: true,
    })
    expect(readSettings(least)).toMatchObject({ oldAttributes: [], passThrough: false })
    expect(readSettings({ ...least, OVERSIZE_LOCATION: 's3://bucket' }).oversize).toEqual({
      bucket: 'bucket',
      prefix: '',
    })
  })

  it.each([
    [{ DELIVERY_STREAM: '' }, 'DELIVERY_STREAM'],
    [{ OVERSIZE_LOCATION: '' }, 'OVERSIZE_LOCATION'],
    [{ OVERSIZE_LOCATION: 'bucket/prefix' }, 'OVERSIZE_LOCATION'],
    [{ OLD_ATTRIBUTES: 'region' }, 'OLD_ATTRIBUTES'],
    [{ OLD_ATTRIBUTES: '[1]' }, 'OLD_ATTRIBUTES'],
    [{ PASS_THROUGH: 'yes' }, 'PASS_THROUGH'],
  ])('that are wrong are named: %o', (wrong, name) => {
    expect(() => readSettings({ ...least, ...wrong })).toThrow(name)
  })
})
