// SPDX-License-Identifier: MIT

// peer.go - goroutines, measured as the library is.
//
// Usage: peer flat|deep    nanoseconds per switch
//        peer create | create-deep  nanoseconds to create, run and end one
//        peer idle COUNT   resident bytes of a parked one, microseconds to start it
//        peer echo PORT    a server that sends back what it receives, until it is ended
// One processor; times are of the processor, user and kernel.
package main

import (
    "fmt"
    "math"
    "net"
    "os"
    "runtime"
    "strconv"
    "syscall"
    "time"
)

const (
    slices     = 40
    rounds     = 5000
    bufferSize = 128
)

var (
    isStopping bool
    endedCount int
    parked     int
)

func cpuTime() time.Duration {
    var usage syscall.Rusage
    check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
    return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func residentBytes() float64 {
    var total, resident float64
    statm, err := os.ReadFile("/proc/self/statm")
    check(err)
    _, err = fmt.Sscan(string(statm), &total, &resident)
    check(err)
    return resident * float64(os.Getpagesize())
}

func check(err error) {
    if err != nil {
        fmt.Fprintln(os.Stderr, "peer:", err)
        os.Exit(2)
    }
}

// Do step rounds times in each slice; returns nanoseconds per step in the fastest one.
func measure(step func()) float64 {
    fastest := time.Duration(math.MaxInt64)
    for slice := 0; slice < slices; slice++ {
        start := cpuTime()
        for i := 0; i < rounds; i++ {
            step()
        }
        if elapsed := cpuTime() - start; elapsed < fastest {
            fastest = elapsed
        }
    }
    return float64(fastest) / rounds
}

//go:noinline
func third() { runtime.Gosched() }

//go:noinline
func second() { third() }

//go:noinline
func first() { second() }

func switchFlat() {
    for !isStopping {
        runtime.Gosched()
    }
}

func switchDeep() {
    for !isStopping {
        first()
    }
}

func end() { endedCount++ }

func createAndRun() {
    go end()
    runtime.Gosched()
}

//go:noinline
func createThird() { createAndRun() }

//go:noinline
func createSecond() { createThird() }

//go:noinline
func createDeep() { createSecond() }

//go:noinline
func fill(buffer *[bufferSize]byte) {
    for i := range buffer {
        buffer[i] = 'x'
    }
}

func park(gate chan bool) {
    var buffer [bufferSize]byte
    fill(&buffer)
    parked++
    <-gate
    fill(&buffer)
}

func measureIdle(count int) {
    gate := make(chan bool)
    before, start := residentBytes(), cpuTime()
    for i := 0; i < count; i++ {
        go park(gate)
        runtime.Gosched()
    }
    for parked < count {
        runtime.Gosched()
    }
    elapsed := cpuTime() - start
    fmt.Println((residentBytes()-before)/float64(count),
        float64(elapsed)/float64(time.Microsecond)/float64(count))
}

func converse(conn net.Conn) {
    defer conn.Close()
    buffer := make([]byte, 512)
    for {
        count, err := conn.Read(buffer)
        if err != nil {
            return
        }
        if _, err = conn.Write(buffer[:count]); err != nil {
            return
        }
    }
}

func serveEcho(port string) {
    listener, err := net.Listen("tcp", "127.0.0.1:"+port)
    check(err)
    for {
        conn, err := listener.Accept()
        check(err)
        go converse(conn)
    }
}

func main() {
    runtime.GOMAXPROCS(1)
    switch os.Args[1] {
    case "flat":
        go switchFlat()
        fmt.Println(measure(runtime.Gosched) / 2)
    case "deep":
        go switchDeep()
        fmt.Println(measure(runtime.Gosched) / 2)
    case "create":
        fmt.Println(measure(createAndRun))
    case "create-deep":
        fmt.Println(measure(createDeep))
    case "idle":
        count, err := strconv.Atoi(os.Args[2])
        check(err)
        measureIdle(count)
    case "echo":
        serveEcho(os.Args[2])
    }
}
