module Acme {
  @ Reads a temperature over I2C
  passive component Thermometer {
    @ The time of the rate group
    sync input port run: Svc.Sched

    @ Reads a register
    output port read: Drv.I2c

    @ The temperature in degrees Celsius
    telemetry Temperature: F32
  }
}
